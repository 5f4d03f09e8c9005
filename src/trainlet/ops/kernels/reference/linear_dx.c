#include "kernel.h"
/* dx[R,I] = g[R,O] w[O,I] */
KERNEL void k_linear_dx(float *restrict dx, const float *g, const float *w, int R, int O, int I) {
  for (int r = 0; r < R; r++, dx += I) {
    for (int i = 0; i < I; i++) dx[i] = 0.0f;
    for (int o = 0; o < O; o++) {
      const float *wp = w + o * I;
      float go = *g++;
      for (int i = 0; i < I; i++) dx[i] += go * wp[i];
    }
  }
}
