/* Of each weight [O,KH,KW,C/G] the gradient S * sum over positions of x[N,H,W,C] - Z times
 * g[N,OH,OW,O] at its tap; the sum is exact. */
#ifndef TRAINLET_CONV_TRANSPOSE_BFP_WEIGHTS_H
#define TRAINLET_CONV_TRANSPOSE_BFP_WEIGHTS_H
#include "bfp.h"
#include "put_gradient.h"
#include "window.h"
static inline void conv_transpose_bfp_weights(
    Gradients to, const void *g, const int8_t *x, const int32_t *e, int N, int H, int W, int C,
    int OH, int OW, int O, int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW, int G,
    float S, int Z, int bytes) {
  int CG = C / G, OG = O / G, r = 0;
  float scale = S * power_of_two(*e);
  for (int o = 0; o < O; o++)
    for (int ky = 0; ky < KH; ky++)
      for (int kx = 0; kx < KW; kx++, r++) {
        int x0 = kx * DW - PL, ix0 = first_tap(x0, SW), ix1 = end_tap(x0, SW, OW, W);
        int y0 = ky * DH - PT, iy0 = first_tap(y0, SH), iy1 = end_tap(y0, SH, OH, H);
        float factor = factor_of(&to, o);
        for (int c = 0; c < CG; c++) {
          int64_t s = 0;
          for (int n = 0; n < N; n++)
            for (int iy = iy0; iy < iy1; iy++)
              for (int ix = ix0; ix < ix1; ix++) {
                int at = ((n * OH + y0 + iy * SH) * OW + x0 + ix * SW) * O + o;
                s += mantissa(g, at, bytes) * (x[((n * H + iy) * W + ix) * C + o / OG * CG + c] - Z);
              }
          put_scaled(&to, r, CG, c, (float)s * scale, factor);
        }
      }
}
#endif
