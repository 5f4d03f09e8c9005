#include "kernel.h"
KERNEL void k_offset(float *y, const float *x, int size, float term) {
  for (int k = 0; k < size; k++) y[k] = x[k] + term;
}
