#include "kernel.h"
/* dw[O,I] = S * g[R,O]' (x[R,I] - Z) */
KERNEL void k_linear_i8_dw(float *restrict dw, const float *g, const int8_t *x, int R, int O,
                           int I, float S, int Z) {
  for (int k = 0; k < O * I; k++) dw[k] = 0.0f;
  for (int r = 0; r < R; r++, x += I)
    for (int o = 0; o < O; o++) {
      float *dp = dw + o * I;
      float go = *g++;
      for (int i = 0; i < I; i++) dp[i] += go * (float)(x[i] - Z);
    }
  for (int k = 0; k < O * I; k++) dw[k] *= S;
}
