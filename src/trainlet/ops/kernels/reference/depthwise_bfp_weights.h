/* Of each weight [KH,KW,C] the gradient S * sum over positions of g[N,OH,OW,C] times
 * x[N,H,W,C] - Z; the sum is exact. */
#ifndef TRAINLET_DEPTHWISE_BFP_WEIGHTS_H
#define TRAINLET_DEPTHWISE_BFP_WEIGHTS_H
#include "bfp.h"
#include "put_gradient.h"
#include "window.h"
static inline void depthwise_bfp_weights(Gradients to, const void *g, const int8_t *x,
                                         const int32_t *e, int N, int H, int W, int C, int OH,
                                         int OW, int KH, int KW, int SH, int SW, int PT, int PL,
                                         int DH, int DW, float S, int Z, int bytes) {
  float scale = S * power_of_two(*e);
  for (int ky = 0; ky < KH; ky++)
    for (int kx = 0; kx < KW; kx++) {
      int x0 = kx * DW - PL, ox0 = first_tap(x0, SW), ox1 = end_tap(x0, SW, W, OW);
      int y0 = ky * DH - PT, oy0 = first_tap(y0, SH), oy1 = end_tap(y0, SH, H, OH);
      for (int c = 0; c < C; c++) {
        int64_t s = 0;
        for (int n = 0; n < N; n++)
          for (int oy = oy0; oy < oy1; oy++) {
            int from = (n * OH + oy) * OW;
            const int8_t *xp = x + ((n * H + y0 + oy * SH) * W + x0) * C + c;
            for (int ox = ox0; ox < ox1; ox++)
              s += mantissa(g, (from + ox) * C + c, bytes) * (xp[ox * SW * C] - Z);
          }
        put_scaled(&to, ky * KW + kx, C, c, (float)s * scale, factor_of(&to, c));
      }
    }
}
#endif
