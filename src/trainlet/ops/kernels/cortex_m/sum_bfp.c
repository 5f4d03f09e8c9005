#include "kernel.h"
#include "sum_columns.h"
/* as the reference kernel, eight columns at a time */
KERNEL ONE_COPY void k_sum_bfp(float *restrict y, const void *g, const int32_t *e, int R, int C,
                               int bytes) {
  float scale = power_of_two(*e), sums[SUMMED_COLUMNS];
  for (int c = 0; c < C;) {
    int first = column_sums(sums, g, c, R, C, bytes);
    for (const float *sum = sums + c - first; c < C && sum != sums + SUMMED_COLUMNS; c++)
      y[c] = *sum++ * scale;
  }
}
