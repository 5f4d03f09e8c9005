/* dx[N,H,W,C] from g[N,OH,OW,C], w[KH,KW,C] and its scales r[C]: written, or, if
 * dx is NULL, only its largest sum sought. */
#ifndef TRAINLET_DEPTHWISE_BFP_H
#define TRAINLET_DEPTHWISE_BFP_H
#include "bfp.h"
static inline int32_t depthwise_bfp(
    void *restrict dx, const void *g, const int8_t *w, const int16_t *r, Shifts shifts, int N, int H, int W, int C,
    int OH, int OW, int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW, int bytes) {
  enum { BLOCK = 16 };
  int at = 0;
  int32_t top = 0;
  for (int n = 0; n < N; n++)
    for (int y = 0; y < H; y++)
      for (int x = 0; x < W; x++)
        for (int c0 = 0; c0 < C; c0 += BLOCK) {
          int32_t s[BLOCK] = {0};
          int wide = C - c0 < BLOCK ? C - c0 : BLOCK;
          for (int ky = 0; ky < KH; ky++) {
            int oy = y + PT - ky * DH;
            if (oy < 0 || oy % SH || oy / SH >= OH) continue;
            for (int kx = 0; kx < KW; kx++) {
              int ox = x + PL - kx * DW;
              if (ox < 0 || ox % SW || ox / SW >= OW) continue;
              int from = ((n * OH + oy / SH) * OW + ox / SW) * C + c0;
              const int8_t *wp = w + (ky * KW + kx) * C + c0;
              for (int c = 0; c < wide; c++)
                s[c] += shift_round(mantissa(g, from + c, bytes) * r[c0 + c], shifts.before) * wp[c];
            }
          }
          for (int c = 0; c < wide; c++)
            if (dx) set_mantissa(dx, at++, shift_round(s[c], shifts.after), bytes);
            else top = larger(top, s[c]);
        }
  return top;
}
#endif
