#include "kernel.h"
#include "transposed.h"
/* y[N,OH,OW,O] = b[O] + transposed convolution of x[N,H,W,C] with w[O,KH,KW,C/G] */
KERNEL void k_conv_transpose(float *restrict y, const float *x, const float *w, const float *b,
                             int N, int H, int W, int C, int OH, int OW, int O, int KH, int KW,
                             int SH, int SW, int PT, int PL, int DH, int DW, int G) {
  int CG = C / G, OG = O / G;
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++, y += O) {
        for (int o = 0; o < O; o++) y[o] = b ? b[o] : 0.0f;
        for (int ky = 0; ky < KH; ky++) {
          int iy = source_of_tap(oy, PT, ky, DH, SH, H);
          for (int kx = 0; iy >= 0 && kx < KW; kx++) {
            int ix = source_of_tap(ox, PL, kx, DW, SW, W);
            if (ix < 0) continue;
            for (int o = 0; o < O; o++) {
              const float *xp = x + ((n * H + iy) * W + ix) * C + o / OG * CG;
              const float *wp = w + ((o * KH + ky) * KW + kx) * CG;
              float s = 0.0f;
              for (int c = 0; c < CG; c++) s += xp[c] * wp[c];
              y[o] += s;
            }
          }
        }
      }
}
