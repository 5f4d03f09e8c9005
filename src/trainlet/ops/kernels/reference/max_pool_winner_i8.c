#include "kernel.h"
#include "window.h"
/* winner[N,OH,OW,C] = the place ky*KW+kx of the first largest element in each window */
KERNEL void k_max_pool_winner_i8(uint8_t *restrict winner, const int8_t *x, int N, int H, int W,
                                 int C, int OH, int OW, int KH, int KW, int SH, int SW, int PT,
                                 int PL) {
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++) {
        int y0 = oy * SH - PT, x0 = ox * SW - PL;
        int ky0 = first_tap(y0, 1), ky1 = end_tap(y0, 1, H, KH);
        int kx0 = first_tap(x0, 1), kx1 = end_tap(x0, 1, W, KW);
        for (int c = 0; c < C; c++) {
          int top = -129, best = 0;
          for (int ky = ky0; ky < ky1; ky++)
            for (int kx = kx0; kx < kx1; kx++) {
              int v = x[((n * H + y0 + ky) * W + x0 + kx) * C + c];
              if (v > top) {
                top = v;
                best = ky * KW + kx;
              }
            }
          *winner++ = (uint8_t)best;
        }
      }
}
