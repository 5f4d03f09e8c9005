#include "kernel.h"
#include "window.h"
/* dx[N,H,W,C]: each gradient is shared by its window's elements */
KERNEL void k_avg_pool_dx(float *restrict dx, const float *g, int N, int H, int W, int C, int OH,
                          int OW, int KH, int KW, int SH, int SW, int PT, int PL,
                          int count_padding) {
  for (int k = 0; k < N * H * W * C; k++) dx[k] = 0.0f;
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++, g += C) {
        int y0 = oy * SH - PT, x0 = ox * SW - PL;
        int ky0 = first_tap(y0, 1), ky1 = end_tap(y0, 1, H, KH);
        int kx0 = first_tap(x0, 1), kx1 = end_tap(x0, 1, W, KW);
        int area = count_padding ? KH * KW : (ky1 - ky0) * (kx1 - kx0);
        for (int ky = ky0; ky < ky1; ky++)
          for (int kx = kx0; kx < kx1; kx++) {
            float *dp = dx + ((n * H + y0 + ky) * W + x0 + kx) * C;
            for (int c = 0; c < C; c++) dp[c] += g[c] / (float)area;
          }
      }
}
