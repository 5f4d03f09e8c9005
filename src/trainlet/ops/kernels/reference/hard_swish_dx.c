#include "kernel.h"
KERNEL void k_hard_swish_dx(float *dx, const float *g, const float *x, int size) {
  for (int k = 0; k < size; k++) {
    float inner = x[k] * 0.333333333f + 0.5f;
    dx[k] = g[k] * (x[k] <= -3.0f ? 0.0f : x[k] < 3.0f ? inner : 1.0f);
  }
}
