#include "kernel.h"
#include "fixed_i16.h"
/* p q / 2^shift, rounded */
KERNEL void k_mul_i16(int16_t *y, const int16_t *p, const int16_t *q, int size, int shift) {
  for (int k = 0; k < size; k++) y[k] = divide_pot_i16((int32_t)p[k] * q[k], shift);
}
