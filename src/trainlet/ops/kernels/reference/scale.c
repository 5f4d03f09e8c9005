#include "kernel.h"
KERNEL void k_scale(float *y, const float *x, int size, float factor) {
  for (int k = 0; k < size; k++) y[k] = x[k] * factor;
}
