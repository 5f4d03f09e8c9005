/* Sums of the columns of a gradient, eight at a time. */
#ifndef TRAINLET_SUM_COLUMNS_MVE_H
#define TRAINLET_SUM_COLUMNS_MVE_H
#include "bfp.h"
#include "mve.h"
enum { ROWS_OF_SUM = 1 << 15 }; /* as many mantissas as 32 bits can sum */

INLINED void sum_eight(int32_t to[8], const void *g, int at, int rows, int C, int bytes) {
  const int16_t *wide = (const int16_t *)g + at;
  const int8_t *narrow = (const int8_t *)g + at;
  int32x4_t first = vdupq_n_s32(0), second = first;
  if (bytes == 2)
    for (; rows > 0; rows--, wide += C) {
      first = vaddq_s32(first, vldrhq_s32(wide));
      second = vaddq_s32(second, vldrhq_s32(wide + 4));
    }
  else
    for (; rows > 0; rows--, narrow += C) {
      first = vaddq_s32(first, vldrbq_s32(narrow));
      second = vaddq_s32(second, vldrbq_s32(narrow + 4));
    }
  vst1q_s32(to, first), vst1q_s32(to + 4, second);
}
/* the sums of the columns from g[at] on, at most eight; others are 0 */
static ONE_COPY void sum_columns(int32_t to[8], const void *g, int at, int columns, int rows,
                                 int C, int bytes) {
  if (columns >= 8) {
    sum_eight(to, g, at, rows, C, bytes);
    return;
  }
  const int16_t *wide = (const int16_t *)g + at;
  const int8_t *narrow = (const int8_t *)g + at;
  mve_pred16_t some = vctp16q((uint32_t)columns);
  int32x4_t even = vdupq_n_s32(0), odd = even;
  for (; rows > 0; rows--, wide += C, narrow += C) {
    int16x8_t m = bytes == 2 ? vldrhq_z_s16(wide, some) : vldrbq_z_s16(narrow, some);
    even = vaddq_s32(even, vmovlbq_s16(m));
    odd = vaddq_s32(odd, vmovltq_s16(m));
  }
  vst2q_s32(to, ((int32x4x2_t){{even, odd}}));
}
#endif
