#include "kernel.h"
/* dw[O,I] = g[R,O]' x[R,I] */
KERNEL void k_linear_dw(float *restrict dw, const float *g, const float *x, int R, int O, int I) {
  for (int k = 0; k < O * I; k++) dw[k] = 0.0f;
  for (int r = 0; r < R; r++, x += I)
    for (int o = 0; o < O; o++) {
      float *dp = dw + o * I;
      float go = *g++;
      for (int i = 0; i < I; i++) dp[i] += go * x[i];
    }
}
