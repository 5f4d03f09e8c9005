#include "kernel.h"
KERNEL void k_relu6(float *y, const float *x, int size) {
  for (int k = 0; k < size; k++) {
    float v = x[k] < 0.0f ? 0.0f : x[k];
    y[k] = v > 6.0f ? 6.0f : v;
  }
}
