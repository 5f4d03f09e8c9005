/* The weight gradient of convolutions, 16 sums at a time: for each tap the outputs that meet it. */
#ifndef TRAINLET_CONV2D_DW_F32_H
#define TRAINLET_CONV2D_DW_F32_H
#include "products_f32.h"
#include "window.h"

/* inputs of one or four bytes */
INLINED void conv2d_dw(Meet *meet, float *dw, const float *g, const void *x, int N, int H, int W,
                       int C, int OH, int OW, int O, int KH, int KW, int SH, int SW, int PT,
                       int PL, int DH, int DW, int G, int zero, int bytes) {
  int CG = C / G, OG = O / G, K = KH * KW * CG;
  for (int tap = 0; tap < KH * KW; tap++) {
    int y0 = tap / KW * DH - PT, x0 = tap % KW * DW - PL;
    int oy0 = first_tap(y0, SH), oy1 = end_tap(y0, SH, H, OH);
    int ox0 = first_tap(x0, SW), ox1 = end_tap(x0, SW, W, OW), rows = 1;
    if (ox0 == 0 && ox1 == OW && SH * W == SW * OW) rows = oy1 - oy0; /* rows that join */
    Products p = {.rows = OG, .columns = CG < 4 ? CG : 4, .n = (ox1 - ox0) * rows,
                  .sums_row = K, .a_row = 1, .a_next = O, .b_column = 1, .b_next = SW * C,
                  .zero = zero};
    if (oy1 <= oy0 || ox1 <= ox0) oy0 = oy1 = 0;
    for (int group = 0; group < G; group++)
      for (int quad = 0; quad < CG; quad += 4) {
        int c = group * CG + four_from(quad, CG);
        p.sums = dw + group * OG * K + tap * CG + c - group * CG;
        p.start = ZEROS, p.start_row = 0;
        for (int n = 0; n < N; n++)
          for (int oy = oy0; oy < oy1; oy += rows) {
            int at = ((n * H + y0 + oy * SH) * W + x0 + ox0 * SW) * C + c;
            p.a = g + ((n * OH + oy) * OW + ox0) * O + group * OG;
            p.b = (const int8_t *)x + at * bytes;
            meet(&p);
            p.start = p.sums, p.start_row = K;
          }
        if (oy0 == oy1) p.n = 0, p.a = g, p.b = x, meet(&p);
      }
  }
}
#endif
