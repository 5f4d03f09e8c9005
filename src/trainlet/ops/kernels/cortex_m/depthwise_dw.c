#include "kernel.h"
#include "lanes_f32.h"
#include "window.h"
/* as the reference kernel, eight channels at a time */
KERNEL ONE_COPY void k_depthwise_dw(float *restrict dw, const float *g, const float *x, int N,
                                    int H, int W, int C, int OH, int OW, int KH, int KW, int SH,
                                    int SW, int PT, int PL, int DH, int DW) {
  Lanes l = {.sums = dw, .bytes = (int)sizeof *x, .channels = C, .a_row = OW * C, .a_column = C,
             .b_row = SH * W * C, .b_column = SW * C};
  for (int tap = 0; tap < KH * KW; tap++, l.sums += C) {
    int y0 = tap / KW * DH - PT, x0 = tap % KW * DW - PL;
    int oy = first_tap(y0, SH), ox = first_tap(x0, SW);
    l.rows = end_tap(y0, SH, H, OH) - oy, l.columns = end_tap(x0, SW, W, OW) - ox;
    l.start = 0;
    for (int n = 0; n < N; n++, l.start = l.sums) {
      l.a = g + ((n * OH + oy) * OW + ox) * C;
      l.b = x + ((n * H + y0 + oy * SH) * W + x0 + ox * SW) * C;
      sum_lanes(&l);
    }
  }
}
