#include "gelu_dx.h"
#include "kernel.h"
KERNEL void k_gelu_dx(float *dx, const float *g, const float *x, int size) {
  for (int k = 0; k < size; k++) dx[k] = gelu_dx_f32(g[k], x[k]);
}
