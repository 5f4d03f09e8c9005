#include "kernel.h"
#include "window.h"
/* y[N,OH,OW,C] = the largest of x[N,H,W,C] in each window, clamped */
KERNEL void k_max_pool_i8(int8_t *restrict y, const int8_t *x, int N, int H, int W, int C, int OH,
                          int OW, int KH, int KW, int SH, int SW, int PT, int PL, int low,
                          int high) {
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++) {
        int y0 = oy * SH - PT, x0 = ox * SW - PL;
        int ky0 = first_tap(y0, 1), ky1 = end_tap(y0, 1, H, KH);
        int kx0 = first_tap(x0, 1), kx1 = end_tap(x0, 1, W, KW);
        for (int c = 0; c < C; c++) {
          int top = low;
          for (int ky = ky0; ky < ky1; ky++)
            for (int kx = kx0; kx < kx1; kx++) {
              int v = x[((n * H + y0 + ky) * W + x0 + kx) * C + c];
              top = v > top ? v : top;
            }
          *y++ = (int8_t)(top > high ? high : top);
        }
      }
}
