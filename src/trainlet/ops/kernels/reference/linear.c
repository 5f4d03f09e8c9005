#include "kernel.h"
/* y[R,O] = b[O] + x[R,I] w[O,I]' */
KERNEL void k_linear(float *restrict y, const float *x, const float *w, const float *b, int R,
                     int O, int I) {
  for (int r = 0; r < R; r++, x += I)
    for (int o = 0; o < O; o++) {
      const float *wp = w + o * I;
      float s = b ? b[o] : 0.0f;
      for (int i = 0; i < I; i++) s += x[i] * wp[i];
      *y++ = s;
    }
}
