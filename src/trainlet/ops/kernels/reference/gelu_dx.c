#include "kernel.h"
#include "erf.h"
KERNEL void k_gelu_dx(float *dx, const float *g, const float *x, int size) {
  for (int k = 0; k < size; k++) {
    float density = 0.398942280f * exp_f32(-0.5f * x[k] * x[k]);
    dx[k] = g[k] * (normal_cdf_f32(x[k]) + x[k] * density);
  }
}
