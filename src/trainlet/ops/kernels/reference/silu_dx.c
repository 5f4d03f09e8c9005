#include "kernel.h"
#include "silu_dx.h"
KERNEL void k_silu_dx(float *dx, const float *g, const float *x, int size) {
  for (int k = 0; k < size; k++) dx[k] = silu_dx_f32(g[k], x[k]);
}
