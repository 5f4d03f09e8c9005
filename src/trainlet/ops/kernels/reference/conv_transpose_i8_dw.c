#include "kernel.h"
#include "window.h"
/* dw[O,KH,KW,C/G] = S * sum over positions of x[N,H,W,C] of x - Z times g[N,OH,OW,O] at each tap */
KERNEL void k_conv_transpose_i8_dw(float *restrict dw, const float *g, const int8_t *x, int N,
                                   int H, int W, int C, int OH, int OW, int O, int KH, int KW,
                                   int SH, int SW, int PT, int PL, int DH, int DW, int G, float S,
                                   int Z) {
  int CG = C / G, OG = O / G;
  for (int k = 0; k < O * KH * KW * CG; k++) dw[k] = 0.0f;
  for (int n = 0; n < N; n++)
    for (int iy = 0; iy < H; iy++)
      for (int ix = 0; ix < W; ix++, x += C) {
        int y0 = iy * SH - PT, x0 = ix * SW - PL;
        int ky0 = first_tap(y0, DH), ky1 = end_tap(y0, DH, OH, KH);
        int kx0 = first_tap(x0, DW), kx1 = end_tap(x0, DW, OW, KW);
        for (int o = 0; o < O; o++)
          for (int ky = ky0; ky < ky1; ky++)
            for (int kx = kx0; kx < kx1; kx++) {
              float go = g[((n * OH + y0 + ky * DH) * OW + x0 + kx * DW) * O + o];
              float *dp = dw + ((o * KH + ky) * KW + kx) * CG;
              for (int c = 0; c < CG; c++) dp[c] += go * (float)(x[o / OG * CG + c] - Z);
            }
      }
  for (int k = 0; k < O * KH * KW * CG; k++) dw[k] *= S;
}
