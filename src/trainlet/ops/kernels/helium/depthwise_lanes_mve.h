/* Depthwise convolution of small maps, eight channels at a time: a map less its zero point meets
 * the weights. */
#ifndef TRAINLET_DEPTHWISE_LANES_MVE_H
#define TRAINLET_DEPTHWISE_LANES_MVE_H
#include "lanes_mve.h"
#include "rescale_mve.h"
#include "window.h"

/* of four channels; shifts to the right */
typedef struct {
  int32x4_t bias, multiplier, shift;
} FourRescales;
typedef struct {
  FourRescales even, odd;
  Clamp clamp;
} EightRescales;

INLINED int32x4_t rescaled_four(int32x4_t sum, const FourRescales *k) {
  int32x4_t x = vqrdmulhq_s32(vaddq_s32(sum, k->bias), k->multiplier);
  return vrshlq_s32(vaddq_s32(x, vshrq_n_s32(x, 31)), k->shift);
}
static inline FourRescales take_four(const int32_t *b, const int32_t *q, int C, int n) {
  uint32x4_t every = vidupq_n_u32(0, 2);
  mve_pred16_t some = vctp32q((uint32_t)n);
  return (FourRescales){vldrwq_gather_shifted_offset_z_s32(b, every, some),
                        vldrwq_gather_shifted_offset_z_s32(q, every, some),
                        vldrwq_gather_shifted_offset_z_s32(q + C, every, some)};
}

static ONE_COPY void row_of_results(const Lanes *k, int8_t *y, int columns, int C, int rows,
                                    const Reach *across, const EightRescales *e,
                                    mve_pred16_t some) {
  int16x8_t low = vdupq_n_s16((int16_t)e->clamp.low), high = vdupq_n_s16((int16_t)e->clamp.high);
  int16_t zero = (int16_t)e->clamp.zero;
  for (; columns > 0; columns--, y += C, across++) {
    int32x4x2_t sums = sums_at(k, k->map, k->taps, rows, across);
    int32x4_t even = rescaled_four(sums.val[0], &e->even);
    int32x4_t odd = rescaled_four(sums.val[1], &e->odd);
    int16x8_t x = vqmovntq_s32(vqmovnbq_s32(vreinterpretq_s16_s32(even), even), odd);
    x = vminq_s16(vmaxq_s16(vqaddq_n_s16(x, zero), low), high);
    vstrbq_p_s16(y, x, some);
  }
}

static inline Reach inputs_at(int origin, int size, int kernel) {
  int first = first_tap(origin, 1), end = end_tap(origin, 1, size, kernel);
  return (Reach){(int16_t)(origin + first), (int16_t)first, (int16_t)(end - first)};
}

/* whether map and kernel fit their places, and no channel is shifted to the left */
static inline int fits_small(const int32_t *shifts, int H, int W, int C, int OW, int KH, int KW) {
  if (H * W * LANES > MAP || KH * KW * LANES > TAPS || OW > MOST_COLUMNS) return 0;
  for (int c = 0; c < C; c++)
    if (shifts[c] >= 0) return 0;
  return 1;
}

static ONE_COPY void depthwise_small(int8_t *y, const int8_t *x, const int8_t *w,
                                     const int32_t *b, const int32_t *q, int N, int H, int W,
                                     int C, int OH, int OW, int KH, int KW, int SH, int SW,
                                     int PT, int PL, int ZX, Clamp clamp) {
  int16_t map[MAP], taps[TAPS];
  Reach across[MOST_COLUMNS];
  for (int ox = 0; ox < OW; ox++) across[ox] = inputs_at(ox * SW - PL, W, KW);
  for (int c = 0; c < C; c += LANES) {
    mve_pred16_t some = vctp16q((uint32_t)(C - c));
    EightRescales rescales = {take_four(b + c, q + c, C, (C - c + 1) / 2),
                              take_four(b + c + 1, q + c + 1, C, (C - c) / 2), clamp};
    const int8_t *from = w + c;
    int16_t *to = taps;
    for (int k = KH * KW; k > 0; k--, to += LANES, from += C)
      vst1q_s16(to, vldrbq_z_s16(from, some));
    for (int n = 0; n < N; n++) {
      from = x + n * H * W * C + c;
      to = map;
      for (int k = H * W; k > 0; k--, to += LANES, from += C)
        vst1q_s16(to, vsubq_n_s16(vldrbq_z_s16(from, some), (int16_t)ZX));
      int8_t *row = y + n * OH * OW * C + c;
      for (int oy = 0; oy < OH; oy++, row += OW * C) {
        Reach down = inputs_at(oy * SH - PT, H, KH);
        Lanes lanes = {map + down.first * W * LANES, taps + down.tap * KW * LANES, W * LANES,
                       KW * LANES, LANES};
        row_of_results(&lanes, row, OW, C, down.n, across, &rescales, some);
      }
    }
  }
}
#endif
