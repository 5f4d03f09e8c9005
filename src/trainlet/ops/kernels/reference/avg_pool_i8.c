#include "kernel.h"
#include "window.h"
/* y[N,OH,OW,C] = mean of x[N,H,W,C] over the part of each window inside, halves away from zero */
KERNEL void k_avg_pool_i8(int8_t *restrict y, const int8_t *x, int N, int H, int W, int C, int OH,
                          int OW, int KH, int KW, int SH, int SW, int PT, int PL, int low,
                          int high) {
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++) {
        int y0 = oy * SH - PT, x0 = ox * SW - PL;
        int ky0 = first_tap(y0, 1), ky1 = end_tap(y0, 1, H, KH);
        int kx0 = first_tap(x0, 1), kx1 = end_tap(x0, 1, W, KW);
        int area = (ky1 - ky0) * (kx1 - kx0);
        for (int c = 0; c < C; c++) {
          int s = 0;
          for (int ky = ky0; ky < ky1; ky++)
            for (int kx = kx0; kx < kx1; kx++) s += x[((n * H + y0 + ky) * W + x0 + kx) * C + c];
          s = (s > 0 ? s + area / 2 : s - area / 2) / area;
          s = s < low ? low : s;
          *y++ = (int8_t)(s > high ? high : s);
        }
      }
}
