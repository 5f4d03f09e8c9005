#include "kernel.h"
#include "requantize.h"
/* from one scale and zero point to another, clamped */
KERNEL void k_requantize_i8(int8_t *y, const int8_t *x, int size, int ZX, int multiplier,
                            int shift, int ZY, int low, int high) {
  for (int k = 0; k < size; k++)
    y[k] = clamp_i8(rescale(x[k] - ZX, multiplier, shift), ZY, low, high);
}
