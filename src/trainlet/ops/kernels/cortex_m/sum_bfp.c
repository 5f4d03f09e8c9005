#include "bfp.h"
#include "dsp.h"
#include "kernel.h"
enum { ROWS_THAT_FIT = 65536 }; /* of mantissas of 16 bits, in a sum of 32 */

/* as the reference kernel, four columns at a time */
KERNEL ONE_COPY void k_sum_bfp(float *restrict y, const void *g, const int32_t *e, int R, int C,
                               int bytes) {
  float scale = power_of_two(*e);
  int fours = R <= ROWS_THAT_FIT && bytes == 2 ? C & ~3 : 0;
  if (bytes == 2)
    for (int c = 0; c < fours; c += 4) {
      const int16_t *at = (const int16_t *)g + c;
      int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      for (int r = 0; r < R; r++, at += C) {
        int32_t a = (int32_t)load_bytes(at), b = (int32_t)load_bytes(at + 2);
        s0 += (int16_t)a, s1 += a >> 16, s2 += (int16_t)b, s3 += b >> 16;
      }
      y[c] = (float)s0 * scale, y[c + 1] = (float)s1 * scale;
      y[c + 2] = (float)s2 * scale, y[c + 3] = (float)s3 * scale;
    }
  for (int c = fours; c < C; c++) {
    int64_t s = 0;
    for (int r = 0; r < R; r++) s += mantissa(g, r * C + c, bytes);
    y[c] = (float)s * scale;
  }
}
