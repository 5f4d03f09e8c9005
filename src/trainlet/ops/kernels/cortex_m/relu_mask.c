#include "inside_f32.h"
#include "kernel.h"
/* as the reference kernel, eight elements at a time: up to infinity, but no number above it */
KERNEL void k_relu_mask(uint8_t *mask, const float *y, int size) {
  mask_inside(mask, y, size, 0x7F7FFFFFu);
}
