#include "conv2d_dw_f32.h"
#include "conv2d_few_dw_f32.h"
#include "kernel.h"
/* as the reference kernel, 16 sums at a time */
KERNEL ONE_COPY void k_conv2d_dw(float *restrict dw, const float *g, const float *x, int N, int H,
                                 int W, int C, int OH, int OW, int O, int KH, int KW, int SH,
                                 int SW, int PT, int PL, int DH, int DW, int G) {
  if (C / G < 4)
    conv2d_few_dw(dw, g, x, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL, DH, DW, G);
  else
    conv2d_dw(columns_by_columns, dw, g, x, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL, DH, DW,
              G, 0, (int)sizeof *x);
}
