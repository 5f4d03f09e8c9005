#include "kernel.h"
#include "fixed_i16.h"
KERNEL void k_tanh_i16(int16_t *y, const int16_t *x, int size) {
  for (int k = 0; k < size; k++) y[k] = tanh_i16(x[k]);
}
