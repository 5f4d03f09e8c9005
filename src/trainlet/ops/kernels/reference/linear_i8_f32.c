#include "kernel.h"
#include "requantize.h"
/* y[R,O] = S s[O] (b[O] + (x[R,I] - Z) w[O,I]'): the sums are integers, the products float32 */
KERNEL void k_linear_i8_f32(float *restrict y, const int8_t *x, const int8_t *w, const int32_t *b,
                            const float *s, int R, int O, int I, float S, int Z) {
  for (int r = 0; r < R; r++, x += I)
    for (int o = 0; o < O; o++) {
      const int8_t *wp = w + o * I;
      int32_t sum = 0;
      for (int i = 0; i < I; i++) sum += (x[i] - Z) * wp[i];
      *y++ = (float)wrap_add(sum, b[o]) * (S * s[o]);
    }
}
