/* The input gradient of depthwise convolutions: the factors of some rows meet the weights, of which
 * the last one comes first. */
#ifndef TRAINLET_DEPTHWISE_MVE_H
#define TRAINLET_DEPTHWISE_MVE_H
#include "factors_mve.h"
#include "lanes_mve.h"

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

/* of `count` outputs, a stride apart, those that have a tap at `place` */
static inline Reach outputs_at(int place, int stride, int kernel, int count) {
  int first = place < kernel ? 0 : (place - kernel) / stride + 1, end = place / stride + 1;
  end = end < count ? end : count;
  return (Reach){(int16_t)first, (int16_t)(kernel - 1 - place + first * stride),
                 (int16_t)(end - first)};
}

/* whether the kernel and the rows under it fit their places */
static inline int fits_lanes(int W, int OW, int KH, int KW, int SH, int PT, int PL, int DH,
                             int DW) {
  return DH == 1 && DW == 1 && KH * KW * LANES <= TAPS && PT < KH && PL < KW &&
         W <= MOST_COLUMNS && ((KH - 1) / SH + 1) * OW * LANES <= MAP;
}

/* a row of dx from dx[at] on; if dx is NULL, its largest sum or `top` */
static ONE_COPY uint32_t row_of_gradients(const Lanes *k, void *dx, int at, int W, int C, int KW,
                                          Reach down, const Reach *across, int after, int bytes,
                                          mve_pred16_t some, uint32_t top) {
  const int16_t *map = k->map + down.first * k->row;
  const int16_t *taps = k->taps + down.tap * KW * LANES;
  for (; W > 0; W--, at += C, across++) {
    int32x4x2_t sums = sums_at(k, map, taps, down.n, across);
    if (!dx) {
      top = vmaxavq_s32(vmaxavq_s32(top, sums.val[0]), sums.val[1]);
      continue;
    }
    int32x4_t even = vrshlq_n_s32(sums.val[0], -after), odd = vrshlq_n_s32(sums.val[1], -after);
    int16x8_t both = vmovntq_s32(vmovnbq_s32(vreinterpretq_s16_s32(even), even), odd);
    if (bytes == 2) vstrhq_p_s16((int16_t *)dx + at, both, some);
    else vstrbq_p_s16((int8_t *)dx + at, both, some);
  }
  return top;
}

/* dx[N,H,W,C]: written, or, if dx is NULL, only its largest sum sought */
static ONE_COPY int32_t depthwise_mve(void *dx, const void *g, const int8_t *w, const int16_t *r,
                                      Shifts shifts, int N, int H, int W, int C, int OH, int OW,
                                      int KH, int KW, int SH, int SW, int PT, int PL, int bytes) {
  int16_t factors[MAP], taps[TAPS];
  Reach across[MOST_COLUMNS];
  int most = MAP / (OW * LANES); /* rows */
  uint32_t top = 0;
  for (int x = 0; x < W; x++) across[x] = outputs_at(x + PL, SW, KW, OW);
  for (int c = 0; c < C; c += LANES) {
    mve_pred16_t some = vctp16q((uint32_t)(C - c));
    int16x8_t scale = vldrhq_z_s16(r + c, some);
    int16_t *tap = taps + KH * KW * LANES;
    for (const int8_t *from = w + c; tap != taps; from += C)
      vst1q_s16(tap -= LANES, vldrbq_z_s16(from, some));
    Lanes lanes = {factors, taps, OW * LANES, SH * KW * LANES, SW * LANES};
    for (int n = 0; n < N; n++)
      for (int y = 0, oldest = 0, newest = -1; y < H; y++) {
        Reach down = outputs_at(y + PT, SH, KH, OH);
        if (newest < down.first + down.n) {
          oldest = down.first;
          newest = oldest + most < OH ? oldest + most : OH;
          factors_of_pixels(factors, g, (n * OH + oldest) * OW * C + c, C, scale,
                            (newest - oldest) * OW, shifts.before, bytes, some);
        }
        down.first = (int16_t)(down.first - oldest);
        top = row_of_gradients(&lanes, dx, (n * H + y) * W * C + c, W, C, KW, down, across,
                               shifts.after, bytes, some, top);
      }
  }
  return (int32_t)top;
}
#endif
