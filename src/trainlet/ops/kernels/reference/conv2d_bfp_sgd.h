/* conv2d_bfp_dw, each sum applied to its weight at once: p[O,KH,KW,P] with P >= C/G */
#ifndef TRAINLET_CONV2D_BFP_SGD_H
#define TRAINLET_CONV2D_BFP_SGD_H
#include "bfp.h"
#include "planes.h"
#include "window.h"
#define CONV2D_BFP_SGD_PARAMETERS \
  int8_t *p, const void *g, const int8_t *x, const int32_t *e, const float *inverse, \
  const float *lr, const int32_t *step, int N, int H, int W, int C, int OH, int OW, int O, int KH, \
  int KW, int SH, int SW, int PT, int PL, int DH, int DW, int G, float S, int Z, int bytes, int P, \
  uint32_t seed, uint32_t tensor, int mode, int size, int bits
#define CONV2D_BFP_SGD_ARGUMENTS p, g, x, e, inverse, lr, step, N, H, W, C, OH, OW, O, KH, KW, SH, \
  SW, PT, PL, DH, DW, G, S, Z, bytes, P, seed, tensor, mode, size, bits
static inline void conv2d_bfp_sgd(CONV2D_BFP_SGD_PARAMETERS) {
  Planes planes = {size, bits, mode, random_key(seed, (uint32_t)*step, tensor)};
  int CG = C / G, OG = O / G, r = 0, done = 0;
  float scale = S * power_of_two(*e);
  for (int o = 0; o < O; o++)
    for (int ky = 0; ky < KH; ky++)
      for (int kx = 0; kx < KW; kx++, r++) {
        int x0 = kx * DW - PL, ox0 = first_tap(x0, SW), ox1 = end_tap(x0, SW, W, OW);
        int y0 = ky * DH - PT, oy0 = first_tap(y0, SH), oy1 = end_tap(y0, SH, H, OH);
        float factor = *lr * inverse[o] * (float)(1 << bits);
        for (int c = 0; c < CG; c++) {
          int64_t s = 0;
          for (int n = 0; n < N; n++)
            for (int oy = oy0; oy < oy1; oy++) {
              int from = (n * OH + oy) * OW;
              const int8_t *xp = x + ((n * H + y0 + oy * SH) * W + x0) * C + o / OG * CG + c;
              for (int ox = ox0; ox < ox1; ox++)
                s += mantissa(g, (from + ox) * O + o, bytes) * (xp[ox * SW * C] - Z);
            }
          move_weight(p, r * P + c, done++, -((float)s * scale * factor), planes);
        }
      }
}
#endif
