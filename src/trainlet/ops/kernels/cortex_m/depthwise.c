#include "channels_f32.h"
#include "kernel.h"
#include "window.h"
/* as the reference kernel, eight channels at a time */
KERNEL ONE_COPY void k_depthwise(float *restrict y, const float *x, const float *w, const float *b,
                                 int N, int H, int W, int C, int OH, int OW, int KH, int KW,
                                 int SH, int SW, int PT, int PL, int DH, int DW) {
  Sums p = {.start = b, .sums = y, .bytes = (int)sizeof *w, .channels = C, .a_row = DH * W * C,
             .a_column = DW * C, .b_row = KW * C, .b_column = C};
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++) {
      int y0 = oy * SH - PT, ky = first_tap(y0, DH);
      p.rows = end_tap(y0, DH, H, KH) - ky;
      for (int ox = 0; ox < OW; ox++, p.sums += C) {
        int x0 = ox * SW - PL, kx = first_tap(x0, DW);
        p.columns = end_tap(x0, DW, W, KW) - kx;
        p.a = x + ((n * H + y0 + ky * DH) * W + x0 + kx * DW) * C;
        p.b = w + (ky * KW + kx) * C;
        sum_channels(&p);
      }
    }
}
