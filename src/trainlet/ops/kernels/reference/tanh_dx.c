#include "kernel.h"
KERNEL void k_tanh_dx(float *dx, const float *g, const float *y, int size) {
  for (int k = 0; k < size; k++) {
    dx[k] = g[k] * (1.0f - y[k] * y[k]);
  }
}
