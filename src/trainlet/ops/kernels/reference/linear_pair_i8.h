#ifndef TRAINLET_LINEAR_PAIR_I8_H
#define TRAINLET_LINEAR_PAIR_I8_H
#include "pair_i8.h"
#include "requantize.h"
/* y[R,O] = b[O] + (x[R,I] - ZX) w[O,I]' + (h[R,J] - ZH) v[O,J]', rescaled, + ZY, clamped;
 * q[2,O] holds the multipliers, then the shifts */
static inline void linear_pair_i8(PAIR_I8_PARAMETERS) {
  for (int r = 0; r < R; r++, x += I, h += J)
    for (int o = 0; o < O; o++) {
      int32_t sum = add_dot(add_dot(b[o], x, w + o * I, I, ZX), h, v + o * J, J, ZH);
      *y++ = clamp_i8(rescale_once(sum, q[o], q[O + o]), ZY, low, high);
    }
}
#endif
