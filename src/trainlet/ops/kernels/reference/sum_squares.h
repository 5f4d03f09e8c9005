/* of each channel C, the squared gradients of its weights, sums over the positions of g[N,OH,OW,O]
 * times x[N,H,W,C], added up over the outputs O, the taps and the examples N */
#ifndef TRAINLET_SUM_SQUARES_H
#define TRAINLET_SUM_SQUARES_H
#include "window.h"
#define SUM_SQUARES_PARAMETERS \
  float *restrict total, const float *g, const float *x, int N, int H, int W, int C, int OH, \
  int OW, int O, int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW, int G
#define SUM_SQUARES_ARGUMENTS total, g, x, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL, DH, DW, G
static inline void sum_squares(SUM_SQUARES_PARAMETERS) {
  enum { BLOCK = 16 };
  int CG = C / G, OG = O / G;
  for (int n = 0; n < N; n++, g += OH * OW * O, x += H * W * C)
    for (int o = 0; o < O; o++)
      for (int tap = 0; tap < KH * KW; tap++) {
        int x0 = tap % KW * DW - PL, ox0 = first_tap(x0, SW), ox1 = end_tap(x0, SW, W, OW);
        int y0 = tap / KW * DH - PT, oy0 = first_tap(y0, SH), oy1 = end_tap(y0, SH, H, OH);
        for (int c = o / OG * CG, end = c + CG; c < end; c += BLOCK) {
          float s[BLOCK] = {0};
          int wide = end - c < BLOCK ? end - c : BLOCK;
          for (int oy = oy0; oy < oy1; oy++)
            for (int ox = ox0; ox < ox1; ox++) {
              const float *xp = x + ((y0 + oy * SH) * W + x0 + ox * SW) * C + c;
              float go = g[(oy * OW + ox) * O + o];
              for (int k = 0; k < wide; k++) s[k] += go * xp[k];
            }
          for (int k = 0; k < wide; k++) total[c + k] += s[k] * s[k];
        }
      }
}
#endif
