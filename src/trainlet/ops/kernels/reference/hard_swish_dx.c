#include "hard_swish_dx.h"
#include "kernel.h"
KERNEL void k_hard_swish_dx(float *dx, const float *g, const float *x, int size) {
  for (int k = 0; k < size; k++) dx[k] = hard_swish_dx_f32(g[k], x[k]);
}
