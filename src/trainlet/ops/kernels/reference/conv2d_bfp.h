/* dx[N,H,W,C] = transposed convolution of g[N,OH,OW,O] * r[O] with w[O,KH,KW,C/G]: written, or, if
 * dx is NULL, only its largest sum sought. */
#ifndef TRAINLET_CONV2D_BFP_H
#define TRAINLET_CONV2D_BFP_H
#include "bfp.h"
static inline int32_t conv2d_bfp(
    void *restrict dx, const void *g, const int8_t *w, const int16_t *r, Shifts shifts, int N, int H, int W, int C,
    int OH, int OW, int O, int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW, int G,
    int bytes) {
  enum { BLOCK = 16 };
  int CG = C / G, OG = O / G, at = 0;
  int32_t top = 0;
  for (int n = 0; n < N; n++)
    for (int y = 0; y < H; y++)
      for (int x = 0; x < W; x++)
        for (int group = 0; group < G; group++)
          for (int c0 = 0; c0 < CG; c0 += BLOCK) {
            int32_t s[BLOCK] = {0};
            int wide = CG - c0 < BLOCK ? CG - c0 : BLOCK;
            for (int ky = 0; ky < KH; ky++) {
              int oy = y + PT - ky * DH;
              if (oy < 0 || oy % SH || oy / SH >= OH) continue;
              for (int kx = 0; kx < KW; kx++) {
                int ox = x + PL - kx * DW;
                if (ox < 0 || ox % SW || ox / SW >= OW) continue;
                int from = ((n * OH + oy / SH) * OW + ox / SW) * O;
                for (int o = group * OG; o < (group + 1) * OG; o++) {
                  int32_t go = shift_round(mantissa(g, from + o, bytes) * r[o], shifts.before);
                  const int8_t *wp = w + ((o * KH + ky) * KW + kx) * CG + c0;
                  if (go)
                    for (int c = 0; c < wide; c++) s[c] += go * wp[c];
                }
              }
            }
            for (int c = 0; c < wide; c++)
              if (dx) set_mantissa(dx, at++, shift_round(s[c], shifts.after), bytes);
              else top = larger(top, s[c]);
          }
  return top;
}
#endif
