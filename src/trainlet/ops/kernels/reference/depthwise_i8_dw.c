#include "kernel.h"
#include "window.h"
/* dw[KH,KW,C] = S * sum over positions of g[N,OH,OW,C] times x[N,H,W,C] - Z */
KERNEL void k_depthwise_i8_dw(float *restrict dw, const float *g, const int8_t *x, int N, int H,
                              int W, int C, int OH, int OW, int KH, int KW, int SH, int SW,
                              int PT, int PL, int DH, int DW, float S, int Z) {
  for (int k = 0; k < KH * KW * C; k++) dw[k] = 0.0f;
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++, g += C) {
        int y0 = oy * SH - PT, x0 = ox * SW - PL;
        int ky0 = first_tap(y0, DH), ky1 = end_tap(y0, DH, H, KH);
        int kx0 = first_tap(x0, DW), kx1 = end_tap(x0, DW, W, KW);
        for (int ky = ky0; ky < ky1; ky++)
          for (int kx = kx0; kx < kx1; kx++) {
            const int8_t *xp = x + ((n * H + y0 + ky * DH) * W + x0 + kx * DW) * C;
            float *dp = dw + (ky * KW + kx) * C;
            for (int c = 0; c < C; c++) dp[c] += g[c] * (float)(xp[c] - Z);
          }
      }
  for (int k = 0; k < KH * KW * C; k++) dw[k] *= S;
}
