#include "bfp.h"
#include "dsp.h"
#include "kernel.h"
#include "move_bias.h"
enum { BIAS_ROWS_THAT_FIT = 65536 }; /* of mantissas of 16 bits, in a sum of 32 */

/* as the reference kernel, two columns at a time */
KERNEL ONE_COPY void k_sum_bfp_sgd(int32_t *p, const void *g, const int32_t *e, const float *inverse,
                                   const float *lr, const int32_t *step, int R, int C, int bytes,
                                   uint32_t seed, uint32_t tensor, int mode) {
  uint32_t key = random_key(seed, (uint32_t)*step, tensor);
  float scale = power_of_two(*e);
  int pairs = R <= BIAS_ROWS_THAT_FIT ? C & ~1 : 0;
  for (int c = 0; c < C;) {
    int64_t s[2] = {0, 0};
    int n = c < pairs ? 2 : 1;
    if (n == 2) {
      int32_t s0 = 0, s1 = 0;
      if (bytes == 2)
        for (int r = 0, at = c; r < R; r++, at += C) {
          int32_t both = (int32_t)load_bytes((const int16_t *)g + at);
          s0 += (int16_t)both, s1 += both >> 16;
        }
      else
        for (int r = 0, at = c; r < R; r++, at += C)
          s0 += ((const int8_t *)g)[at], s1 += ((const int8_t *)g)[at + 1];
      s[0] = s0, s[1] = s1;
    } else {
      for (int r = 0; r < R; r++) s[0] += mantissa(g, r * C + c, bytes);
    }
    for (int k = 0; k < n; k++, c++) {
      float move = -((float)s[k] * scale * (*lr * inverse[c] * 1.0f));
      move_bias(p + c, move, mode, key, (uint32_t)c);
    }
  }
}
