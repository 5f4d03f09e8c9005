#include "kernel.h"
KERNEL void k_from_u8(float *restrict y, const uint8_t *x, int size) {
  for (int k = 0; k < size; k++) y[k] = (float)x[k];
}
