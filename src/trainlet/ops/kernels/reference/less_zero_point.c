#include "kernel.h"
#include "requantize.h"
/* y[O] = b[O] - Z sum of w[O,I] */
KERNEL void k_less_zero_point(int32_t *restrict y, const int32_t *b, const int8_t *w, int O, int I,
                              int Z) {
  for (int o = 0; o < O; o++) {
    int32_t sum = 0;
    for (int i = 0; i < I; i++) sum += *w++;
    y[o] = wrap_add(b[o], -Z * sum);
  }
}
