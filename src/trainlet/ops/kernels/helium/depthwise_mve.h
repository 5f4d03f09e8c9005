/* The input gradient of depthwise convolutions, eight channels at a time: the factors of some rows
 * and the weights, the last column first, lie side by side on the stack. */
#ifndef TRAINLET_DEPTHWISE_MVE_H
#define TRAINLET_DEPTHWISE_MVE_H
#include "factors_mve.h"
enum { LANES = 8, FACTORS = 64 * LANES, TAPS = 49 * LANES }; /* 16 bits each, on the stack */

/* n pixels of eight channels */
static ONE_COPY void factors_of_pixels(int16_t *to, const void *g, int at, int C, int16x8_t r,
                                       int n, int before, int bytes, mve_pred16_t some) {
  const int16_t *wide = (const int16_t *)g + at;
  const int8_t *narrow = (const int8_t *)g + at;
  for (; n > 0; n--, to += LANES) {
    int16x8_t m;
    if (bytes == 2) m = vldrhq_z_s16(wide, some), wide += C;
    else m = vldrbq_z_s16(narrow, some), narrow += C;
    int32x4_t even = vrshlq_n_s32(vmullbq_int_s16(m, r), -before);
    int32x4_t odd = vrshlq_n_s32(vmulltq_int_s16(m, r), -before);
    vst1q_s16(to, vmovntq_s32(vmovnbq_s32(m, even), odd));
  }
}

/* which of `count` outputs, a stride apart, have a tap that meets an input at `place`: place -
 * stride * k lies in 0 .. kernel - 1 */
typedef struct {
  int first, end;
} Span;
static inline Span outputs_at(int place, int stride, int kernel, int count) {
  int first = place < kernel ? 0 : (place - kernel) / stride + 1, end = place / stride + 1;
  return (Span){first, end < count ? end : count};
}

typedef struct {
  const int16_t *factors, *taps; /* [rows][OW][LANES] from row `oldest` on, [KH][KW][LANES] */
  int oldest, OH, OW, KH, KW, SH, SW;
} Lanes;

/* the sums of an input element of eight channels: of the even ones, and of the odd ones */
INLINED int32x4x2_t sums_at(const Lanes *k, int y, int x) {
  int32x4_t even = vdupq_n_s32(0), odd = even;
  Span down = outputs_at(y, k->SH, k->KH, k->OH), across = outputs_at(x, k->SW, k->KW, k->OW);
  int step = k->SW * LANES, above = k->SH * k->KW * LANES, row = k->OW * LANES;
  const int16_t *f = k->factors + (down.first - k->oldest) * row + across.first * LANES;
  const int16_t *w = k->taps + (y - down.first * k->SH) * k->KW * LANES +
                     (k->KW - 1 - x + across.first * k->SW) * LANES;
  for (int oy = down.first; oy < down.end; oy++, f += row, w -= above) {
    const int16_t *factor = f, *tap = w;
    for (int n = across.end - across.first; n > 0; n--, factor += LANES, tap += step) {
      int16x8_t a = vld1q_s16(factor), b = vld1q_s16(tap);
      even = vaddq_s32(even, vmullbq_int_s16(a, b));
      odd = vaddq_s32(odd, vmulltq_int_s16(a, b));
    }
  }
  return (int32x4x2_t){{even, odd}};
}

/* whether the kernel and the rows under it fit their places */
static inline int fits_lanes(int OW, int KH, int KW, int SH, int PT, int PL, int DH, int DW) {
  return DH == 1 && DW == 1 && KH * KW * LANES <= TAPS && PT < KH && PL < KW &&
         ((KH - 1) / SH + 1) * OW * LANES <= FACTORS;
}

/* dx[N,H,W,C]: written, or, if dx is NULL, only its largest sum sought */
static ONE_COPY int32_t depthwise_mve(void *dx, const void *g, const int8_t *w, const int16_t *r,
                                      Shifts shifts, int N, int H, int W, int C, int OH, int OW,
                                      int KH, int KW, int SH, int SW, int PT, int PL, int bytes) {
  int16_t factors[FACTORS], taps[TAPS];
  Lanes lanes = {factors, taps, 0, OH, OW, KH, KW, SH, SW};
  int most = FACTORS / (OW * LANES); /* rows */
  uint32_t top = 0;
  for (int c = 0; c < C; c += LANES) {
    mve_pred16_t some = vctp16q((uint32_t)(C - c));
    int16x8_t scale = vldrhq_z_s16(r + c, some);
    for (int ky = 0; ky < KH; ky++)
      for (int kx = 0; kx < KW; kx++)
        vst1q_s16(taps + (ky * KW + KW - 1 - kx) * LANES,
                  vldrbq_z_s16(w + (ky * KW + kx) * C + c, some));
    for (int n = 0; n < N; n++)
      for (int y = 0, newest = -1; y < H; y++) {
        Span rows = outputs_at(y + PT, SH, KH, OH);
        if (newest < rows.end || y == 0) {
          lanes.oldest = rows.first;
          newest = rows.first + most < OH ? rows.first + most : OH;
          factors_of_pixels(factors, g, ((n * OH + rows.first) * OW) * C + c, C, scale,
                            (newest - rows.first) * OW, shifts.before, bytes, some);
        }
        int at = (n * H + y) * W * C + c;
        for (int x = 0; x < W; x++, at += C) {
          int32x4x2_t sums = sums_at(&lanes, y + PT, x + PL);
          if (!dx) {
            top = vmaxavq_s32(vmaxavq_s32(top, sums.val[0]), sums.val[1]);
            continue;
          }
          int32x4_t even = vrshlq_n_s32(sums.val[0], -shifts.after);
          int32x4_t odd = vrshlq_n_s32(sums.val[1], -shifts.after);
          int16x8_t both = vmovntq_s32(vmovnbq_s32(scale, even), odd);
          if (bytes == 2) vstrhq_p_s16((int16_t *)dx + at, both, some);
          else vstrbq_p_s16((int8_t *)dx + at, both, some);
        }
      }
  }
  return (int32_t)top;
}
#endif
