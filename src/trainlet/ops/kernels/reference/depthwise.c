#include "kernel.h"
#include "window.h"
/* y[N,OH,OW,C] = b[C] + x[N,H,W,C] * w[KH,KW,C], channel by channel */
KERNEL void k_depthwise(float *restrict y, const float *x, const float *w, const float *b, int N,
                        int H, int W, int C, int OH, int OW, int KH, int KW, int SH, int SW,
                        int PT, int PL, int DH, int DW) {
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++) {
        int y0 = oy * SH - PT, x0 = ox * SW - PL;
        int ky0 = first_tap(y0, DH), ky1 = end_tap(y0, DH, H, KH);
        int kx0 = first_tap(x0, DW), kx1 = end_tap(x0, DW, W, KW);
        for (int c = 0; c < C; c++) {
          float s = b ? b[c] : 0.0f;
          for (int ky = ky0; ky < ky1; ky++) {
            const float *xp = x + ((n * H + y0 + ky * DH) * W + x0 + kx0 * DW) * C + c;
            const float *wp = w + (ky * KW + kx0) * C + c;
            for (int kx = kx0; kx < kx1; kx++, xp += DW * C, wp += C) s += *xp * *wp;
          }
          *y++ = s;
        }
      }
}
