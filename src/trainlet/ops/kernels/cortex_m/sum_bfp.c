#include "kernel.h"
#include "sum_columns.h"
/* as the reference kernel, eight columns at a time */
KERNEL ONE_COPY void k_sum_bfp(float *restrict y, const void *g, const int32_t *e, int R, int C,
                               int bytes) {
  float scale = power_of_two(*e), sums[SUMMED_COLUMNS];
  for (int c = 0; c < C; c += SUMMED_COLUMNS) {
    int first = column_sums(sums, g, c, R, C, bytes);
    const float *sum = sums + (c - first);
    int many = C - c < SUMMED_COLUMNS ? C - c : SUMMED_COLUMNS;
    for (int k = 0; k < many; k++) y[c + k] = sum[k] * scale;
  }
}
