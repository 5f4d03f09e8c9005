/* The input gradient of depthwise convolutions, eight channels at a time: outputs in ascending
 * order, so taps in descending order. */
#ifndef TRAINLET_DEPTHWISE_DX_F32_H
#define TRAINLET_DEPTHWISE_DX_F32_H
#include "channels_f32.h"
#include "residue_f32.h"
#include "window.h"

/* for some channels of C; weights of one or four bytes lie `apart` from tap to tap, and g may have
 * a scale for each channel */
INLINED void depthwise_dx(float *dx, const float *g, const void *w, const float *scale, int bytes,
                          int channels, int apart, int N, int H, int W, int C, int OH, int OW,
                          int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW) {
  for (int phase = 0; phase < SH * SW; phase++) {
    int y0 = phase / SW, x0 = phase % SW;
    Residue y = residue(y0, H, SH, PT, DH, KH), x = residue(x0, W, SW, PL, DW, KW);
    Sums p = {.scale = scale, .bytes = bytes, .channels = channels, .a_row = y.apart * OW * C,
               .a_column = x.apart * C, .b_row = -y.every * KW * apart,
               .b_column = -x.every * apart};
    for (int line = 0; line < N * y.count; line++) {
      int n = line / y.count, iy = line % y.count, above = OH - 1 - y.at - iy;
      int end = end_tap(above, y.apart, OH, y.taps);
      int oy = y.at + iy - y.apart * (end - 1), ky = y.tap + y.every * (end - 1);
      p.rows = end - first_tap(above, y.apart);
      p.sums = dx + ((n * H + y0 + SH * iy) * W + x0) * C;
      for (int ix = 0; ix < x.count; ix++, p.sums += SW * C) {
        int before = OW - 1 - x.at - ix, last = end_tap(before, x.apart, OW, x.taps) - 1;
        p.columns = last + 1 - first_tap(before, x.apart);
        p.a = g + ((n * OH + oy) * OW + x.at + ix - x.apart * last) * C;
        p.b = (const int8_t *)w + (ky * KW + x.tap + x.every * last) * apart * bytes;
        sum_channels(&p);
      }
    }
  }
}
#endif
