#include "kernel.h"
/* p + q, clamped */
KERNEL void k_add_i16(int16_t *y, const int16_t *p, const int16_t *q, int size, int low, int high) {
  for (int k = 0; k < size; k++) {
    int32_t s = (int32_t)p[k] + q[k];
    y[k] = (int16_t)(s < low ? low : s > high ? high : s);
  }
}
