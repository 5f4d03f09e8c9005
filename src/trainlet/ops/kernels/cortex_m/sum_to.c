#include "broadcast.h"
#include "channels_f32.h"
#include "kernel.h"
static const float ONES[8] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f};

/* as the reference kernel; where y is a vector of channels, eight at a time, their products with 1 */
KERNEL void k_sum_to(float *y, const float *restrict x, const float *before, int size, float factor,
                     BROADCAST_ONE) {
  if (d0 * d1 == 1 && i2 == 0 && i3 == 1) {
    Sums p = {.b = ONES, .bytes = (int)sizeof *x, .rows = 1, .columns = d2, .a_column = d3};
    for (int c = 0; c < size; c += 8) {
      p.sums = y + c, p.start = before ? before + c : 0, p.a = x + c;
      p.channels = size - c < 8 ? size - c : 8;
      sum_channels(&p);
    }
  } else {
    for (int k = 0; k < size; k++) y[k] = before ? before[k] : 0.0f;
    BROADCAST_LOOP_ONE(y[i] += x[n])
  }
  for (int k = 0; k < size; k++) y[k] *= factor;
}
