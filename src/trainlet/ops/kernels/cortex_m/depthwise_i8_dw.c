#include "channels_f32.h"
#include "kernel.h"
#include "widen_bytes.h"
#include "window.h"
enum { ROOM_FOR_A_ROW = 400 };
/* as the reference kernel, eight channels at a time; a row of the map becomes floats on the stack,
 * if it has room for four channels of it */
KERNEL ONE_COPY void k_depthwise_i8_dw(float *restrict dw, const float *g, const int8_t *x, int N,
                                       int H, int W, int C, int OH, int OW, int KH, int KW,
                                       int SH, int SW, int PT, int PL, int DH, int DW, float S,
                                       int Z) {
  float floats[ROOM_FOR_A_ROW];
  int fit = ROOM_FOR_A_ROW / W & -4, wide = fit >= 4 && C >= 4, each = wide && fit < C ? fit : C;
  for (int k = 0; k < KH * KW * C; k++) dw[k] = 0.0f;
  for (int c = 0; c < C; c += each) {
    int some = C - c < each ? C - c : each, apart = wide ? some : C;
    Sums p = {.bytes = wide ? 4 : 1, .zero = Z, .channels = some, .rows = 1, .a_column = C,
              .b_column = SW * apart};
    for (int line = 0; line < N * H; line++) {
      const int8_t *row = x + line * W * C + c;
      if (wide) widen_rows(floats, row, C, W, some, Z);
      for (int tap = 0; tap < KH * KW; tap++) {
        int y0 = line % H + PT - tap / KW * DH, x0 = tap % KW * DW - PL, oy = y0 / SH;
        int ox = first_tap(x0, SW), at = (x0 + ox * SW) * apart;
        if (y0 < 0 || y0 % SH || oy >= OH) continue;
        p.columns = end_tap(x0, SW, W, OW) - ox;
        p.a = g + ((line / H * OH + oy) * OW + ox) * C + c;
        p.b = wide ? (const void *)(floats + at) : row + at;
        p.sums = dw + tap * C + c, p.start = p.sums;
        sum_channels(&p);
      }
    }
  }
  for (int k = 0; k < KH * KW * C; k++) dw[k] *= S;
}
