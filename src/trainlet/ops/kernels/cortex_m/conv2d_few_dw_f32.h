/* The weight gradient of convolutions of up to three channels, as of images: rows are channels, and
 * columns outputs.  The sums of four outputs meet the weights' layout in the end. */
#ifndef TRAINLET_CONV2D_FEW_DW_F32_H
#define TRAINLET_CONV2D_FEW_DW_F32_H
#include "products_f32.h"
#include "window.h"

INLINED void conv2d_few_dw(float *dw, const float *g, const float *x, int N, int H, int W, int C,
                           int OH, int OW, int O, int KH, int KW, int SH, int SW, int PT, int PL,
                           int DH, int DW, int G) {
  int CG = C / G, OG = O / G, K = KH * KW * CG;
  float sums[3 * 4];
  for (int tap = 0; tap < KH * KW; tap++) {
    int y0 = tap / KW * DH - PT, x0 = tap % KW * DW - PL;
    int oy0 = first_tap(y0, SH), oy1 = end_tap(y0, SH, H, OH);
    int ox0 = first_tap(x0, SW), ox1 = end_tap(x0, SW, W, OW);
    Products p = {.sums = sums, .rows = CG, .columns = OG < 4 ? OG : 4, .n = ox1 - ox0,
                  .sums_row = 4, .a_row = 1, .a_next = SW * C, .b_column = 1, .b_next = O};
    if (ox1 <= ox0) p.n = 0;
    for (int group = 0; group < G; group++)
      for (int quad = 0; quad < OG; quad += 4) {
        int o = group * OG + four_from(quad, OG);
        for (int k = 0; k < 3 * 4; k++) sums[k] = 0.0f;
        p.start = sums, p.start_row = 4;
        for (int n = 0; n < N; n++)
          for (int oy = oy0; oy < oy1; oy++) {
            p.a = x + ((n * H + y0 + oy * SH) * W + x0 + ox0 * SW) * C + group * CG;
            p.b = g + ((n * OH + oy) * OW + ox0) * O + o;
            columns_by_columns(&p);
          }
        for (int k = 0; k < p.columns; k++)
          for (int c = 0; c < CG; c++) dw[(o + k) * K + tap * CG + c] = sums[4 * c + k];
      }
  }
}
#endif
