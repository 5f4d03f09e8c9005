#include "bfp.h"
#include "kernel.h"
#include "mve.h"
enum { ROWS_OF_SUM = 1 << 15 }; /* as many mantissas as 32 bits can sum */

/* sums of four columns */
static ONE_COPY void sum_columns(int32_t to[4], const void *g, int at, int rows, int C, int bytes,
                                 mve_pred16_t some) {
  const int16_t *wide = (const int16_t *)g + at;
  const int8_t *narrow = (const int8_t *)g + at;
  int32x4_t sum = vdupq_n_s32(0);
  if (bytes == 2)
    for (; rows > 0; rows--, wide += C) sum = vaddq_s32(sum, vldrhq_z_s32(wide, some));
  else
    for (; rows > 0; rows--, narrow += C) sum = vaddq_s32(sum, vldrbq_z_s32(narrow, some));
  vst1q_s32(to, sum);
}

/* as the reference kernel, four columns at a time */
KERNEL ONE_COPY void k_sum_bfp(float *restrict y, const void *g, const int32_t *e, int R, int C,
                               int bytes) {
  float scale = power_of_two(*e);
  for (int c = 0; c < C; c += 4) {
    mve_pred16_t some = vctp32q((uint32_t)(C - c));
    int32_t part[4];
    int64_t all[4] = {0};
    for (int r = 0; R > ROWS_OF_SUM && r < R; r += ROWS_OF_SUM) {
      sum_columns(part, g, r * C + c, R - r < ROWS_OF_SUM ? R - r : ROWS_OF_SUM, C, bytes, some);
      for (int k = 0; k < 4; k++) all[k] += part[k];
    }
    if (R <= ROWS_OF_SUM) sum_columns(part, g, c, R, C, bytes, some);
    for (int k = 0; k < 4 && c + k < C; k++)
      y[c + k] = (R > ROWS_OF_SUM ? (float)all[k] : (float)part[k]) * scale;
  }
}
