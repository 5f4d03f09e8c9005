/* Sums of four channels side by side, or of eight, become results of each pixel. */
#ifndef TRAINLET_RESCALE_FOURS_MVE_H
#define TRAINLET_RESCALE_FOURS_MVE_H
#include "rescale_mve.h"

/* what a layer does to the sums of four channels; `plain` where a shift is not to the right */
typedef struct {
  int32x4_t bias, multiplier, shift;
  int plain;
} FourChannels;

typedef struct {
  FourChannels even, odd;
} EightChannels;

/* channels c to c + 3, whose weights sum up to `weights` */
static inline FourChannels four_channels(const int32_t *b, const int32_t *q, int C, int c, int ZX,
                                         int32x4_t weights) {
  FourChannels k = {vsubq_s32(vld1q_s32(b + c), vmulq_n_s32(weights, ZX)), vld1q_s32(q + c),
                    vld1q_s32(q + C + c), 0};
  k.plain = vcmpgeq_n_s32(k.shift, 0) != 0;
  return k;
}

/* channels c to c + 7 */
static inline EightChannels eight_channels(const int32_t *b, const int32_t *q, int C, int c,
                                           int ZX, int32x4_t weights_even,
                                           int32x4_t weights_odd) {
  int32x4x2_t bias = vld2q_s32(b + c), multiplier = vld2q_s32(q + c), shift = vld2q_s32(q + C + c);
  EightChannels k = {
      {vsubq_s32(bias.val[0], vmulq_n_s32(weights_even, ZX)), multiplier.val[0], shift.val[0], 0},
      {vsubq_s32(bias.val[1], vmulq_n_s32(weights_odd, ZX)), multiplier.val[1], shift.val[1], 0}};
  k.even.plain = vcmpgeq_n_s32(vmaxq_s32(shift.val[0], shift.val[1]), 0) != 0;
  return k;
}

/* results `apart` bytes from each other */
static ONE_COPY void rescale_plainly(int8_t *y, int step, int apart, const int32_t *sums,
                                     int pixels, const FourChannels *k, const Clamp *to) {
  int32_t bias[4], multiplier[4], shift[4];
  vst1q_s32(bias, k->bias), vst1q_s32(multiplier, k->multiplier), vst1q_s32(shift, k->shift);
  for (; pixels > 0; pixels--, y += step)
    for (int c = 0; c < 4; c++) {
      int32_t x = rescale(wrap_add(*sums++, bias[c]), multiplier[c], shift[c]);
      y[c * apart] = clamp_i8(x, to->zero, to->low, to->high);
    }
}

/* Below a clamp at the zero point it is all the same which way halves are rounded. */
INLINED int32x4_t rescaled_four(int32x4_t sums, const FourChannels *k, int from_zero) {
  int32x4_t x = vqrdmulhq_s32(vaddq_s32(sums, k->bias), k->multiplier);
  if (!from_zero) x = less_below_0(x, 1);
  return vrshlq_s32(x, k->shift);
}
INLINED void rescale_each_four(int8_t *y, int step, const int32_t *sums, int pixels,
                               FourChannels k, const Clamp *to, int from_zero) {
  int32x4_t low = vdupq_n_s32(to->low), high = vdupq_n_s32(to->high);
  int32_t zero = to->zero;
  for (; pixels > 0; pixels--, sums += 4, y += step)
    vstrbq_s32(y, clamped(rescaled_four(vld1q_s32(sums), &k, from_zero), zero, low, high));
}

/* y[pixels], `step` bytes apart, from sums[pixels][4] */
static ONE_COPY void rescale_fours(int8_t *y, int step, const int32_t *sums, int pixels,
                                   const FourChannels *k, const Clamp *to) {
  if (k->plain) rescale_plainly(y, step, 1, sums, pixels, k, to);
  else if (to->low >= to->zero) rescale_each_four(y, step, sums, pixels, *k, to, 1);
  else rescale_each_four(y, step, sums, pixels, *k, to, 0);
}

/* a clamp to all of int8 is what narrowing does */
INLINED void rescale_each_eight(int8_t *y, int step, const int32_t *even, const int32_t *odd,
                                int pixels, EightChannels k, const Clamp *to, int from_zero,
                                int part) {
  int8x16_t low = vdupq_n_s8((int8_t)to->low), high = vdupq_n_s8((int8_t)to->high);
  int16x8_t both = vdupq_n_s16(0); /* each half is written before it is read */
  int16_t zero = (int16_t)to->zero;
  for (; pixels > 0; pixels--, even += 4, odd += 4, y += step) {
    both = vqmovnbq_s32(both, rescaled_four(vld1q_s32(even), &k.even, from_zero));
    int32x4_t second = rescaled_four(vld1q_s32(odd), &k.odd, from_zero);
    both = vqaddq_n_s16(vqmovntq_s32(both, second), zero);
    int8x16_t x = vqmovnbq_s16(vreinterpretq_s8_s32(second), both);
    if (part) x = vminq_s8(vmaxq_s8(x, low), high);
    vstrbq_s16(y, vreinterpretq_s16_s8(x));
  }
}

/* y[pixels], from sums of the even channels and of the odd ones */
INLINED void rescale_eights(int8_t *y, int step, const int32_t *even, const int32_t *odd,
                                    int pixels, const EightChannels *k, const Clamp *to) {
  if (k->even.plain) {
    rescale_plainly(y, step, 2, even, pixels, &k->even, to);
    rescale_plainly(y + 1, step, 2, odd, pixels, &k->odd, to);
  } else if (to->low > -128 || to->high < 127) {
    rescale_each_eight(y, step, even, odd, pixels, *k, to, 0, 1);
  } else if (to->zero == -128) {
    rescale_each_eight(y, step, even, odd, pixels, *k, to, 1, 0);
  } else {
    rescale_each_eight(y, step, even, odd, pixels, *k, to, 0, 0);
  }
}
#endif
