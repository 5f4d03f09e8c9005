#include "bfp.h"
#include "kernel.h"
#include "mve.h"
enum { ROWS_OF_SUM = 1 << 15 }; /* as many mantissas as 32 bits can sum */

/* as the reference kernel, four columns at a time */
KERNEL ONE_COPY void k_sum_bfp(float *restrict y, const void *g, const int32_t *e, int R, int C,
                               int bytes) {
  float scale = power_of_two(*e);
  for (int c = 0; c < C; c += 4) {
    mve_pred16_t some = vctp32q((uint32_t)(C - c));
    int64_t all[4] = {0};
    for (int start = 0; start < R; start += ROWS_OF_SUM) {
      int rows = R - start < ROWS_OF_SUM ? R - start : ROWS_OF_SUM;
      const int16_t *wide = (const int16_t *)g + start * C + c;
      const int8_t *narrow = (const int8_t *)g + start * C + c;
      int32x4_t sum = vdupq_n_s32(0);
      if (bytes == 2)
        for (; rows > 0; rows--, wide += C) sum = vaddq_s32(sum, vldrhq_z_s32(wide, some));
      else
        for (; rows > 0; rows--, narrow += C) sum = vaddq_s32(sum, vldrbq_z_s32(narrow, some));
      int32_t part[4];
      vst1q_s32(part, sum);
      for (int k = 0; k < 4; k++) all[k] += part[k];
    }
    for (int k = 0; k < 4 && c + k < C; k++) y[c + k] = (float)all[k] * scale;
  }
}
