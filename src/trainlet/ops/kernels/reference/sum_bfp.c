#include "bfp.h"
#include "kernel.h"
/* y[C] = sum over rows of g[R,C] */
KERNEL void k_sum_bfp(float *restrict y, const void *g, const int32_t *e, int R, int C,
                      int bytes) {
  float scale = power_of_two(*e);
  for (int c = 0; c < C; c++) {
    int64_t s = 0;
    for (int r = 0; r < R; r++) s += mantissa(g, r * C + c, bytes);
    y[c] = (float)s * scale;
  }
}
