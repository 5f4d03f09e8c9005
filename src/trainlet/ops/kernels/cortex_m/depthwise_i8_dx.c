#include "depthwise_dx_f32.h"
#include "kernel.h"
#include "widen_bytes.h"
enum { ROOM_FOR_TAPS = 400 };
/* as the reference kernel, eight channels at a time; weights of some channels become floats on the
 * stack, if it has room for all taps of four */
KERNEL ONE_COPY void k_depthwise_i8_dx(float *restrict dx, const float *g, const int8_t *w,
                                       const float *s, int N, int H, int W, int C, int OH, int OW,
                                       int KH, int KW, int SH, int SW, int PT, int PL, int DH,
                                       int DW) {
  float floats[ROOM_FOR_TAPS];
  int fit = ROOM_FOR_TAPS / (KH * KW) & -4, wide = fit >= 4 && C >= 4;
  for (int c = 0, some = C; c < C; c += some) {
    const void *weights = w;
    if (wide) {
      some = fit < C ? fit : C;
      if (c + some > C) c = C - some;
      widen_rows(floats, w + c, C, KH * KW, some, 0);
      weights = floats;
    }
    depthwise_dx(dx + c, g + c, weights, s + c, wide ? 4 : 1, some, some, N, H, W, C, OH, OW, KH,
                 KW, SH, SW, PT, PL, DH, DW);
  }
}
