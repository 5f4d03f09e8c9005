#include "kernel.h"
KERNEL void k_fill(float *restrict y, const int32_t *like, int size, float value) {
  (void)like;
  for (int k = 0; k < size; k++) y[k] = value;
}
