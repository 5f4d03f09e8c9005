/* dx[R,I] = (g[R,O] * r[O]) w[O,I]: written, or, if
 * dx is NULL, only its largest sum sought. */
#ifndef TRAINLET_LINEAR_BFP_H
#define TRAINLET_LINEAR_BFP_H
#include "bfp.h"
static inline int32_t linear_bfp(
    void *restrict dx, const void *g, const int8_t *w, const int16_t *r, Shifts shifts, int R, int O, int I, int bytes) {
  enum { BLOCK = 16 };
  int at = 0;
  int32_t top = 0;
  for (int k = 0; k < R; k++)
    for (int i0 = 0; i0 < I; i0 += BLOCK) {
      int32_t s[BLOCK] = {0};
      int wide = I - i0 < BLOCK ? I - i0 : BLOCK;
      for (int o = 0; o < O; o++) {
        int32_t go = shift_round(mantissa(g, k * O + o, bytes) * r[o], shifts.before);
        const int8_t *wp = w + o * I + i0;
        if (go)
          for (int i = 0; i < wide; i++) s[i] += go * wp[i];
      }
      for (int i = 0; i < wide; i++)
        if (dx) set_mantissa(dx, at++, shift_round(s[i], shifts.after), bytes);
        else top = larger(top, s[i]);
    }
  return top;
}
#endif
