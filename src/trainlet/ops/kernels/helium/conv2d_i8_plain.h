/* The reference kernel again, for what the fast ways leave out. */
#ifndef TRAINLET_CONV2D_I8_PLAIN_H
#define TRAINLET_CONV2D_I8_PLAIN_H
#include "requantize.h"
#include "window.h"
#include <stdint.h>
#define CONV2D_I8_PARAMETERS                                                                \
  int8_t *restrict y, const int8_t *x, const int8_t *w, const int32_t *b, const int32_t *q, \
  int N, int H, int W, int C, int OH, int OW, int O, int KH, int KW, int SH, int SW, int PT,\
  int PL, int DH, int DW, int G, int ZX, int ZY, int low, int high
#define CONV2D_I8_ARGUMENTS                                                                 \
  y, x, w, b, q, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL, DH, DW, G, ZX, ZY, low, high
/* y[N,OH,OW,O] = rescaled (b[O] + (x[N,H,W,C] - ZX) * w[O,KH,KW,C/G]) + ZY, clamped;
 * q[2,O] holds the multipliers, then the shifts */
static inline void conv2d_i8_plain(CONV2D_I8_PARAMETERS) {
  int CG = C / G, OG = O / G;
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++) {
        int y0 = oy * SH - PT, x0 = ox * SW - PL;
        int ky0 = first_tap(y0, DH), ky1 = end_tap(y0, DH, H, KH);
        int kx0 = first_tap(x0, DW), kx1 = end_tap(x0, DW, W, KW);
        for (int o = 0; o < O; o++) {
          int32_t s = 0;
          for (int ky = ky0; ky < ky1; ky++)
            for (int kx = kx0; kx < kx1; kx++) {
              const int8_t *xp = x + ((n * H + y0 + ky * DH) * W + x0 + kx * DW) * C + o / OG * CG;
              const int8_t *wp = w + ((o * KH + ky) * KW + kx) * CG;
              for (int c = 0; c < CG; c++) s += (xp[c] - ZX) * wp[c];
            }
          *y++ = clamp_i8(rescale(wrap_add(s, b[o]), q[o], q[O + o]), ZY, low, high);
        }
      }
}
#endif
