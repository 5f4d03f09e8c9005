#include "kernel.h"
#include "requantize.h"
/* to another scale and zero point, with a factor above zero and one below, clamped */
KERNEL void k_leaky_relu_i8(int8_t *y, const int8_t *x, int size, int ZX, int multiplier, int shift,
                            int below_multiplier, int below_shift, int ZY, int low, int high) {
  for (int k = 0; k < size; k++) {
    int32_t v = x[k] - ZX;
    v = v >= 0 ? rescale(v, multiplier, shift) : rescale(v, below_multiplier, below_shift);
    y[k] = clamp_i8(v, ZY, low, high);
  }
}
