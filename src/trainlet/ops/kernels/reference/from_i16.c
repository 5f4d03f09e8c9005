#include "kernel.h"
KERNEL void k_from_i16(float *restrict y, const int16_t *x, int size) {
  for (int k = 0; k < size; k++) y[k] = (float)x[k];
}
