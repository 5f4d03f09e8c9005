/* Of each weight [O,KH,KW,C/G] the gradient S * sum over positions of g[N,OH,OW,O] times
 * x[N,H,W,C] - Z; the sum is exact. */
#ifndef TRAINLET_CONV2D_BFP_WEIGHTS_H
#define TRAINLET_CONV2D_BFP_WEIGHTS_H
#include "bfp.h"
#include "put_gradient.h"
#include "window.h"
static inline void conv2d_bfp_weights(Gradients to, const void *g, const int8_t *x,
                                      const int32_t *e, int N, int H, int W, int C, int OH, int OW,
                                      int O, int KH, int KW, int SH, int SW, int PT, int PL, int DH,
                                      int DW, int G, float S, int Z, int bytes) {
  int CG = C / G, OG = O / G, r = 0;
  float scale = S * power_of_two(*e);
  for (int o = 0; o < O; o++)
    for (int ky = 0; ky < KH; ky++)
      for (int kx = 0; kx < KW; kx++, r++) {
        int x0 = kx * DW - PL, ox0 = first_tap(x0, SW), ox1 = end_tap(x0, SW, W, OW);
        int y0 = ky * DH - PT, oy0 = first_tap(y0, SH), oy1 = end_tap(y0, SH, H, OH);
        float factor = factor_of(&to, o);
        for (int c = 0; c < CG; c++) {
          int64_t s = 0;
          for (int n = 0; n < N; n++)
            for (int oy = oy0; oy < oy1; oy++) {
              int from = (n * OH + oy) * OW;
              const int8_t *xp = x + ((n * H + y0 + oy * SH) * W + x0) * C + o / OG * CG + c;
              for (int ox = ox0; ox < ox1; ox++)
                s += mantissa(g, (from + ox) * O + o, bytes) * (xp[ox * SW * C] - Z);
            }
          put_scaled(&to, r, CG, c, (float)s * scale, factor);
        }
      }
}
#endif
