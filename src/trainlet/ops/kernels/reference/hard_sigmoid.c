#include "kernel.h"
KERNEL void k_hard_sigmoid(float *y, const float *x, int size) {
  for (int k = 0; k < size; k++) {
    float v = x[k] + 3.0f;
    v = v < 0.0f ? 0.0f : v;
    y[k] = (v > 6.0f ? 6.0f : v) * 0.166666667f;
  }
}
