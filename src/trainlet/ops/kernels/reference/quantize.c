#include "kernel.h"
#include "quantize.h"
KERNEL void k_quantize(int8_t *restrict y, const float *x, int size, float scale, int zero,
                       int low, int high) {
  for (int k = 0; k < size; k++) y[k] = quantize_f32(x[k], scale, zero, low, high);
}
