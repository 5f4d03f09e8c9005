#include "dequantize.h"
#include "kernel.h"
KERNEL void k_dequantize(float *restrict y, const int8_t *x, int size, float scale, int zero) {
  for (int k = 0; k < size; k++) y[k] = dequantize_f32(x[k], scale, zero);
}
