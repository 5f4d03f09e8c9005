#include "kernel.h"
#include "erf.h"
KERNEL void k_gelu(float *y, const float *x, int size) {
  for (int k = 0; k < size; k++) y[k] = x[k] * normal_cdf_f32(x[k]);
}
