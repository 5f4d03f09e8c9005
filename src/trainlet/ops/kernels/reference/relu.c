#include "kernel.h"
KERNEL void k_relu(float *y, const float *x, int size) {
  for (int k = 0; k < size; k++) y[k] = x[k] < 0.0f ? 0.0f : x[k];
}
