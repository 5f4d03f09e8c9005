/* dx[N,H,W,C] = convolution of g[N,OH,OW,O] * r[O] with w[O,KH,KW,C/G]: written, or, if dx is NULL,
 * only its largest sum sought. */
#ifndef TRAINLET_CONV_TRANSPOSE_BFP_H
#define TRAINLET_CONV_TRANSPOSE_BFP_H
#include "bfp.h"
#include "window.h"
static inline int32_t conv_transpose_bfp(
    void *restrict dx, const void *g, const int8_t *w, const int16_t *r, Shifts shifts, int N,
    int H, int W, int C, int OH, int OW, int O, int KH, int KW, int SH, int SW, int PT, int PL,
    int DH, int DW, int G, int bytes) {
  enum { BLOCK = 16 };
  int CG = C / G, OG = O / G, at = 0;
  int32_t top = 0;
  for (int n = 0; n < N; n++)
    for (int y = 0; y < H; y++)
      for (int x = 0; x < W; x++) {
        int y0 = y * SH - PT, x0 = x * SW - PL;
        int ky0 = first_tap(y0, DH), ky1 = end_tap(y0, DH, OH, KH);
        int kx0 = first_tap(x0, DW), kx1 = end_tap(x0, DW, OW, KW);
        for (int group = 0; group < G; group++)
          for (int c0 = 0; c0 < CG; c0 += BLOCK) {
            int32_t s[BLOCK] = {0};
            int wide = CG - c0 < BLOCK ? CG - c0 : BLOCK;
            for (int ky = ky0; ky < ky1; ky++)
              for (int kx = kx0; kx < kx1; kx++) {
                int from = ((n * OH + y0 + ky * DH) * OW + x0 + kx * DW) * O;
                for (int o = group * OG; o < (group + 1) * OG; o++) {
                  int32_t go = shift_round(mantissa(g, from + o, bytes) * r[o], shifts.before);
                  const int8_t *wp = w + ((o * KH + ky) * KW + kx) * CG + c0;
                  if (go)
                    for (int c = 0; c < wide; c++) s[c] += go * wp[c];
                }
              }
            for (int c = 0; c < wide; c++)
              if (dx) set_mantissa(dx, at++, shift_round(s[c], shifts.after), bytes);
              else top = larger(top, s[c]);
          }
      }
  return top;
}
#endif
