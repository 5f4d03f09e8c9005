/* dw[O,KH,KW,C/G] = S * sum over positions of g[N,OH,OW,O] times x[N,H,W,C] - Z */
#ifndef TRAINLET_CONV2D_I8_DW_H
#define TRAINLET_CONV2D_I8_DW_H
#include "window.h"
#include <stdint.h>
#define CONV2D_I8_DW_PARAMETERS \
  float *restrict dw, const float *g, const int8_t *x, int N, int H, int W, int C, int OH, int OW, \
  int O, int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW, int G, float S, int Z
#define CONV2D_I8_DW_ARGUMENTS dw, g, x, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL, DH, DW, \
  G, S, Z
static inline void conv2d_i8_dw(CONV2D_I8_DW_PARAMETERS) {
  int CG = C / G, OG = O / G;
  for (int k = 0; k < O * KH * KW * CG; k++) dw[k] = 0.0f;
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++) {
        int y0 = oy * SH - PT, x0 = ox * SW - PL;
        int ky0 = first_tap(y0, DH), ky1 = end_tap(y0, DH, H, KH);
        int kx0 = first_tap(x0, DW), kx1 = end_tap(x0, DW, W, KW);
        for (int o = 0; o < O; o++) {
          float go = *g++;
          for (int ky = ky0; ky < ky1; ky++)
            for (int kx = kx0; kx < kx1; kx++) {
              const int8_t *xp = x + ((n * H + y0 + ky * DH) * W + x0 + kx * DW) * C + o / OG * CG;
              float *dp = dw + ((o * KH + ky) * KW + kx) * CG;
              for (int c = 0; c < CG; c++) dp[c] += go * (float)(xp[c] - Z);
            }
        }
      }
  for (int k = 0; k < O * KH * KW * CG; k++) dw[k] *= S;
}
#endif
