#include "kernel.h"
KERNEL void k_copy_i8(int8_t *restrict y, const int8_t *x, int size) {
  for (int k = 0; k < size; k++) y[k] = x[k];
}
