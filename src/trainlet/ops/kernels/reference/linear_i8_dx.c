#include "kernel.h"
/* dx[R,I] = (g[R,O] * s[O]) w[O,I] */
KERNEL void k_linear_i8_dx(float *restrict dx, const float *g, const int8_t *w, const float *s,
                           int R, int O, int I) {
  for (int r = 0; r < R; r++, dx += I) {
    for (int i = 0; i < I; i++) dx[i] = 0.0f;
    for (int o = 0; o < O; o++) {
      const int8_t *wp = w + o * I;
      float go = *g++ * s[o];
      for (int i = 0; i < I; i++) dx[i] += go * (float)wp[i];
    }
  }
}
