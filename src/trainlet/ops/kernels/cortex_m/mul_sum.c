#include "broadcast.h"
#include "channels_f32.h"
#include "kernel.h"
/* as the reference kernel; where y is a vector of channels, eight at a time */
KERNEL void k_mul_sum(float *restrict y, const float *g, const float *x, int size, BROADCAST_TWO) {
  if (d0 * d1 == 1 && i3 == 1 && j2 == 0 && j3 == 1) {
    Sums p = {.sums = y, .a = g, .b = x, .bytes = (int)sizeof *x, .channels = size, .rows = 1,
              .columns = d2, .a_column = d3, .b_column = i2};
    sum_channels(&p);
  } else {
    for (int k = 0; k < size; k++) y[k] = 0.0f;
    BROADCAST_LOOP_TWO(y[j] += g[n] * x[i])
  }
}
