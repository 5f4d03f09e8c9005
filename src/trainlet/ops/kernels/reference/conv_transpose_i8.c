#include "kernel.h"
#include "requantize.h"
#include "transposed.h"
/* y[N,OH,OW,O] = rescaled (b[O] + transposed convolution of x[N,H,W,C] - ZX with w[O,KH,KW,C/G])
 * + ZY, clamped; q[2,O] holds the multipliers, then the shifts */
KERNEL void k_conv_transpose_i8(int8_t *restrict y, const int8_t *x, const int8_t *w,
                                const int32_t *b, const int32_t *q, int N, int H, int W, int C,
                                int OH, int OW, int O, int KH, int KW, int SH, int SW, int PT,
                                int PL, int DH, int DW, int G, int ZX, int ZY, int low, int high) {
  int CG = C / G, OG = O / G;
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++)
        for (int o = 0; o < O; o++) {
          int32_t s = 0;
          for (int ky = 0; ky < KH; ky++) {
            int iy = source_of_tap(oy, PT, ky, DH, SH, H);
            for (int kx = 0; iy >= 0 && kx < KW; kx++) {
              int ix = source_of_tap(ox, PL, kx, DW, SW, W);
              const int8_t *wp = w + ((o * KH + ky) * KW + kx) * CG;
              if (ix < 0) continue;
              const int8_t *xp = x + ((n * H + iy) * W + ix) * C + o / OG * CG;
              for (int c = 0; c < CG; c++) s += (xp[c] - ZX) * wp[c];
            }
          }
          *y++ = clamp_i8(rescale(wrap_add(s, b[o]), q[o], q[O + o]), ZY, low, high);
        }
}
