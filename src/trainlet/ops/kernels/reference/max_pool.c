#include "kernel.h"
#include "window.h"
/* y[N,OH,OW,C] = the largest of x[N,H,W,C] in each window, NaN if there is one; a window has at
 * least one element */
KERNEL void k_max_pool(float *restrict y, const float *x, int N, int H, int W, int C, int OH,
                       int OW, int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW) {
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++) {
        int y0 = oy * SH - PT, x0 = ox * SW - PL;
        int ky0 = first_tap(y0, DH), ky1 = end_tap(y0, DH, H, KH);
        int kx0 = first_tap(x0, DW), kx1 = end_tap(x0, DW, W, KW);
        for (int c = 0; c < C; c++) {
          float top = x[((n * H + y0 + ky0 * DH) * W + x0 + kx0 * DW) * C + c];
          for (int ky = ky0; ky < ky1; ky++)
            for (int kx = kx0; kx < kx1; kx++) {
              float v = x[((n * H + y0 + ky * DH) * W + x0 + kx * DW) * C + c];
              top = v > top || v != v ? v : top;
            }
          *y++ = top;
        }
      }
}
