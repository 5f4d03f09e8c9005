#include "bfp.h"
#include "kernel.h"
#include "mve.h"
enum { ROWS_OF_SUM = 1 << 15 }; /* as many mantissas as 32 bits can sum */

/* sums of eight columns */
static ONE_COPY void sum_columns(int32_t to[8], const void *g, int at, int rows, int C, int bytes,
                                 mve_pred16_t some) {
  const int16_t *wide = (const int16_t *)g + at;
  const int8_t *narrow = (const int8_t *)g + at;
  int32x4_t even = vdupq_n_s32(0), odd = even;
  for (; rows > 0; rows--, wide += C, narrow += C) {
    int16x8_t m = bytes == 2 ? vldrhq_z_s16(wide, some) : vldrbq_z_s16(narrow, some);
    even = vaddq_s32(even, vmovlbq_s16(m));
    odd = vaddq_s32(odd, vmovltq_s16(m));
  }
  vst2q_s32(to, ((int32x4x2_t){{even, odd}}));
}

/* as the reference kernel, eight columns at a time */
KERNEL ONE_COPY void k_sum_bfp(float *restrict y, const void *g, const int32_t *e, int R, int C,
                               int bytes) {
  float scale = power_of_two(*e);
  for (int c = 0; c < C; c += 8, y += 8) {
    mve_pred16_t some = vctp16q((uint32_t)(C - c));
    int many = C - c < 8 ? C - c : 8;
    int32_t part[8];
    if (R <= ROWS_OF_SUM) {
      sum_columns(part, g, c, R, C, bytes, some);
      for (int k = 0; k < many; k++) y[k] = (float)part[k] * scale;
      continue;
    }
    int64_t all[8] = {0};
    for (int r = 0; r < R; r += ROWS_OF_SUM) {
      sum_columns(part, g, r * C + c, R - r < ROWS_OF_SUM ? R - r : ROWS_OF_SUM, C, bytes, some);
      for (int k = 0; k < 8; k++) all[k] += part[k];
    }
    for (int k = 0; k < many; k++) y[k] = (float)all[k] * scale;
  }
}
