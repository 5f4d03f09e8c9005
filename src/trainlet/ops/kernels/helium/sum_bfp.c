#include "kernel.h"
#include "sum_columns_mve.h"
/* as the reference kernel, eight columns at a time */
KERNEL ONE_COPY void k_sum_bfp(float *restrict y, const void *g, const int32_t *e, int R, int C,
                               int bytes) {
  float scale = power_of_two(*e);
  for (int c = 0; c < C; c += 8, y += 8) {
    int many = C - c < 8 ? C - c : 8;
    int32_t part[8];
    if (R <= ROWS_OF_SUM) {
      sum_columns(part, g, c, many, R, C, bytes);
      for (int k = 0; k < many; k++) y[k] = (float)part[k] * scale;
      continue;
    }
    int64_t all[8] = {0};
    for (int r = 0; r < R; r += ROWS_OF_SUM) {
      sum_columns(part, g, r * C + c, many, R - r < ROWS_OF_SUM ? R - r : ROWS_OF_SUM, C, bytes);
      for (int k = 0; k < 8; k++) all[k] += part[k];
    }
    for (int k = 0; k < many; k++) y[k] = (float)all[k] * scale;
  }
}
