#include "kernel.h"
#include "tanh_dx.h"
KERNEL void k_tanh_dx(float *dx, const float *g, const float *y, int size) {
  for (int k = 0; k < size; k++) dx[k] = tanh_dx_f32(g[k], y[k]);
}
