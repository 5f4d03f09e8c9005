#include "kernel.h"
KERNEL void k_sigmoid_dx(float *dx, const float *g, const float *y, int size) {
  for (int k = 0; k < size; k++) {
    dx[k] = g[k] * (y[k] * (1.0f - y[k]));
  }
}
