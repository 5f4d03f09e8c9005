#include "kernel.h"
#include "sigmoid_dx.h"
KERNEL void k_sigmoid_dx(float *dx, const float *g, const float *y, int size) {
  for (int k = 0; k < size; k++) dx[k] = sigmoid_dx_f32(g[k], y[k]);
}
