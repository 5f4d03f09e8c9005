#include "column_sum.h"
#include "kernel.h"
/* y[C] = sum over rows of g[R,C] */
KERNEL void k_sum_bfp(float *restrict y, const void *g, const int32_t *e, int R, int C,
                      int bytes) {
  float scale = power_of_two(*e);
  for (int c = 0; c < C; c++) y[c] = (float)column_sum(g, c, R, C, bytes) * scale;
}
