#include "channels_f32.h"
#include "kernel.h"
#include "window.h"
/* as the reference kernel, eight channels at a time */
KERNEL ONE_COPY void k_depthwise_dw(float *restrict dw, const float *g, const float *x, int N,
                                    int H, int W, int C, int OH, int OW, int KH, int KW, int SH,
                                    int SW, int PT, int PL, int DH, int DW) {
  Sums p = {.sums = dw, .bytes = (int)sizeof *x, .channels = C, .a_row = OW * C, .a_column = C,
             .b_row = SH * W * C, .b_column = SW * C};
  for (int tap = 0; tap < KH * KW; tap++, p.sums += C) {
    int y0 = tap / KW * DH - PT, x0 = tap % KW * DW - PL;
    int oy = first_tap(y0, SH), ox = first_tap(x0, SW);
    p.rows = end_tap(y0, SH, H, OH) - oy, p.columns = end_tap(x0, SW, W, OW) - ox;
    p.start = 0;
    for (int n = 0; n < N; n++, p.start = p.sums) {
      p.a = g + ((n * OH + oy) * OW + ox) * C;
      p.b = x + ((n * H + y0 + oy * SH) * W + x0 + ox * SW) * C;
      sum_channels(&p);
    }
  }
}
