#ifndef TRAINLET_LINEAR_I8_H
#define TRAINLET_LINEAR_I8_H
#include "requantize.h"
#include <stdint.h>
#define LINEAR_I8_PARAMETERS                                                                     \
  int8_t *restrict y, const int8_t *x, const int8_t *w, const int32_t *b, const int32_t *q,      \
  int R, int O, int I, int ZX, int ZY, int low, int high
/* y[R,O] = b[O] + (x[R,I] - ZX) w[O,I]', rescaled with one rounding, + ZY, clamped;
 * q[2,O] holds the multipliers, then the shifts */
static inline void linear_i8(LINEAR_I8_PARAMETERS) {
  for (int r = 0; r < R; r++, x += I)
    for (int o = 0; o < O; o++) {
      const int8_t *wp = w + o * I;
      int32_t s = 0;
      for (int i = 0; i < I; i++) s += (x[i] - ZX) * wp[i];
      *y++ = clamp_i8(rescale_once(wrap_add(s, b[o]), q[o], q[O + o]), ZY, low, high);
    }
}
#endif
