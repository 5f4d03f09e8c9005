#include "kernel.h"
#include "window.h"
/* y[N,OH,OW,O] = b[O] + x[N,H,W,C] * w[O,KH,KW,C/G] */
KERNEL void k_conv2d(float *restrict y, const float *x, const float *w, const float *b, int N,
                     int H, int W, int C, int OH, int OW, int O, int KH, int KW, int SH, int SW,
                     int PT, int PL, int DH, int DW, int G) {
  int CG = C / G, OG = O / G;
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++) {
        int y0 = oy * SH - PT, x0 = ox * SW - PL;
        int ky0 = first_tap(y0, DH), ky1 = end_tap(y0, DH, H, KH);
        int kx0 = first_tap(x0, DW), kx1 = end_tap(x0, DW, W, KW);
        for (int o = 0; o < O; o++) {
          float s = b ? b[o] : 0.0f;
          for (int ky = ky0; ky < ky1; ky++)
            for (int kx = kx0; kx < kx1; kx++) {
              const float *xp = x + ((n * H + y0 + ky * DH) * W + x0 + kx * DW) * C + o / OG * CG;
              const float *wp = w + ((o * KH + ky) * KW + kx) * CG;
              for (int c = 0; c < CG; c++) s += xp[c] * wp[c];
            }
          *y++ = s;
        }
      }
}
