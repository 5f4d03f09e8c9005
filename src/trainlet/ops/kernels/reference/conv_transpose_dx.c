#include "kernel.h"
#include "window.h"
/* dx[N,H,W,C] = convolution of g[N,OH,OW,O] with w[O,KH,KW,C/G] */
KERNEL void k_conv_transpose_dx(float *restrict dx, const float *g, const float *w, int N, int H,
                                int W, int C, int OH, int OW, int O, int KH, int KW, int SH,
                                int SW, int PT, int PL, int DH, int DW, int G) {
  int CG = C / G, OG = O / G;
  for (int k = 0; k < N * H * W * C; k++) dx[k] = 0.0f;
  for (int n = 0; n < N; n++)
    for (int y = 0; y < H; y++)
      for (int x = 0; x < W; x++, dx += C) {
        int y0 = y * SH - PT, x0 = x * SW - PL;
        int ky0 = first_tap(y0, DH), ky1 = end_tap(y0, DH, OH, KH);
        int kx0 = first_tap(x0, DW), kx1 = end_tap(x0, DW, OW, KW);
        for (int ky = ky0; ky < ky1; ky++)
          for (int kx = kx0; kx < kx1; kx++)
            for (int o = 0; o < O; o++) {
              float go = g[((n * OH + y0 + ky * DH) * OW + x0 + kx * DW) * O + o];
              const float *wp = w + ((o * KH + ky) * KW + kx) * CG;
              for (int c = 0; c < CG; c++) dx[o / OG * CG + c] += go * wp[c];
            }
      }
}
