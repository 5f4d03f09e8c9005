/* Sums of four channels side by side become results of each pixel. */
#ifndef TRAINLET_RESCALE_FOURS_MVE_H
#define TRAINLET_RESCALE_FOURS_MVE_H
#include "rescale_mve.h"

/* what a layer does to the sums of four channels; `plain` where a shift is not to the right */
typedef struct {
  int32x4_t bias, multiplier, shift;
  int plain;
} FourChannels;

/* channels c to c + 3, whose weights sum up to `weights` */
static inline FourChannels four_channels(const int32_t *b, const int32_t *q, int C, int c, int ZX,
                                         int32x4_t weights) {
  FourChannels k = {vsubq_s32(vld1q_s32(b + c), vmulq_n_s32(weights, ZX)), vld1q_s32(q + c),
                    vld1q_s32(q + C + c), 0};
  k.plain = vcmpgeq_n_s32(k.shift, 0) != 0;
  return k;
}

static ONE_COPY void rescale_plainly(int8_t *y, int step, const int32_t *sums, int pixels,
                                     const FourChannels *k, const Clamp *to) {
  int32_t bias[4], multiplier[4], shift[4];
  vst1q_s32(bias, k->bias), vst1q_s32(multiplier, k->multiplier), vst1q_s32(shift, k->shift);
  for (; pixels > 0; pixels--, y += step)
    for (int c = 0; c < 4; c++) {
      int32_t x = rescale(wrap_add(*sums++, bias[c]), multiplier[c], shift[c]);
      y[c] = clamp_i8(x, to->zero, to->low, to->high);
    }
}

/* y[pixels], `step` bytes apart, from sums[pixels][4].  Below a clamp at the zero point it is all
 * the same which way halves are rounded. */
static ONE_COPY void rescale_fours(int8_t *y, int step, const int32_t *sums, int pixels,
                                   const FourChannels *k, const Clamp *to) {
  if (k->plain) {
    rescale_plainly(y, step, sums, pixels, k, to);
    return;
  }
  int32x4_t bias = k->bias, multiplier = k->multiplier, shift = k->shift;
  int32x4_t low = vdupq_n_s32(to->low), high = vdupq_n_s32(to->high);
  int32_t zero = to->zero;
  if (to->low >= zero)
    for (; pixels > 0; pixels--, sums += 4, y += step) {
      int32x4_t x = vqrdmulhq_s32(vaddq_s32(vld1q_s32(sums), bias), multiplier);
      vstrbq_s32(y, clamped(vrshlq_s32(x, shift), zero, low, high));
    }
  else
    for (; pixels > 0; pixels--, sums += 4, y += step) {
      int32x4_t x = vqrdmulhq_s32(vaddq_s32(vld1q_s32(sums), bias), multiplier);
      x = vaddq_s32(x, vshrq_n_s32(x, 31));
      vstrbq_s32(y, clamped(vrshlq_s32(x, shift), zero, low, high));
    }
}
#endif
