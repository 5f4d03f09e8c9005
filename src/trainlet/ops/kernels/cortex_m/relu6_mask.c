#include "inside_f32.h"
#include "kernel.h"
/* as the reference kernel, eight elements at a time: up to the number before 6 */
KERNEL void k_relu6_mask(uint8_t *mask, const float *y, int size) {
  mask_inside(mask, y, size, 0x40BFFFFEu);
}
