#include "kernel.h"
#include "sigmoid.h"
KERNEL void k_silu_dx(float *dx, const float *g, const float *x, int size) {
  for (int k = 0; k < size; k++) {
    float s = sigmoid_f32(x[k]);
    dx[k] = g[k] * (s * (1.0f + x[k] * (1.0f - s)));
  }
}
