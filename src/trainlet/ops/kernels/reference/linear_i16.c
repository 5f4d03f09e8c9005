#include "kernel.h"
#include "fixed_i16.h"
#include "requantize.h"
/* y[R,O] = b[O] + x[R,I] w[O,I]', rescaled, + before[R,O] */
KERNEL void k_linear_i16(int16_t *y, const int8_t *x, const int8_t *w, const int32_t *b,
                         const int16_t *before, int R, int O, int I, int multiplier, int shift) {
  for (int r = 0; r < R; r++, x += I)
    for (int o = 0; o < O; o++) {
      const int8_t *wp = w + o * I;
      int32_t s = b[o];
      for (int i = 0; i < I; i++) s = wrap_add(s, x[i] * wp[i]);
      s = rescale(s, multiplier, shift);
      *y++ = saturate_i16(wrap_add(s, before ? *before++ : 0));
    }
}
