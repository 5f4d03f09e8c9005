#include "kernel.h"
#include "window.h"
/* y[N,OH,OW,C] = mean of x[N,H,W,C] over each window, its padding counted or not */
KERNEL void k_avg_pool(float *restrict y, const float *x, int N, int H, int W, int C, int OH,
                       int OW, int KH, int KW, int SH, int SW, int PT, int PL,
                       int count_padding) {
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++) {
        int y0 = oy * SH - PT, x0 = ox * SW - PL;
        int ky0 = first_tap(y0, 1), ky1 = end_tap(y0, 1, H, KH);
        int kx0 = first_tap(x0, 1), kx1 = end_tap(x0, 1, W, KW);
        int area = count_padding ? KH * KW : (ky1 - ky0) * (kx1 - kx0);
        for (int c = 0; c < C; c++) {
          float s = 0.0f;
          for (int ky = ky0; ky < ky1; ky++)
            for (int kx = kx0; kx < kx1; kx++) s += x[((n * H + y0 + ky) * W + x0 + kx) * C + c];
          *y++ = s / (float)area;
        }
      }
}
