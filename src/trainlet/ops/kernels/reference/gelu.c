#include "gelu.h"
#include "kernel.h"
KERNEL void k_gelu(float *y, const float *x, int size) {
  for (int k = 0; k < size; k++) y[k] = gelu_f32(x[k]);
}
