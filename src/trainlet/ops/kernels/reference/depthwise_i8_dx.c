#include "kernel.h"
#include "window.h"
/* dx[N,H,W,C] from g[N,OH,OW,C], w[KH,KW,C] and its scales s[C] */
KERNEL void k_depthwise_i8_dx(float *restrict dx, const float *g, const int8_t *w, const float *s,
                              int N, int H, int W, int C, int OH, int OW, int KH, int KW, int SH,
                              int SW, int PT, int PL, int DH, int DW) {
  for (int k = 0; k < N * H * W * C; k++) dx[k] = 0.0f;
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++, g += C) {
        int y0 = oy * SH - PT, x0 = ox * SW - PL;
        int ky0 = first_tap(y0, DH), ky1 = end_tap(y0, DH, H, KH);
        int kx0 = first_tap(x0, DW), kx1 = end_tap(x0, DW, W, KW);
        for (int ky = ky0; ky < ky1; ky++)
          for (int kx = kx0; kx < kx1; kx++) {
            float *dp = dx + ((n * H + y0 + ky * DH) * W + x0 + kx * DW) * C;
            const int8_t *wp = w + (ky * KW + kx) * C;
            for (int c = 0; c < C; c++) dp[c] += g[c] * s[c] * (float)wp[c];
          }
      }
}
