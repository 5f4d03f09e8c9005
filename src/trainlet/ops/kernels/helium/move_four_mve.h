/* `move_weight` of planes.h and `move_bias` of move_bias.h for four elements. */
#ifndef TRAINLET_MOVE_FOUR_MVE_H
#define TRAINLET_MOVE_FOUR_MVE_H
#include "planes.h"
#include "rounding_mve.h"

/* whether four weights at a time move as they do one by one, `columns` of a row that learn: a byte
 * has the four fractional bits of two */
static inline int fits_four_weights(const Planes *k, int columns) {
  return k->mode == ROUND_STOCHASTIC && (k->bits != 4 || columns % 2 == 0);
}

/* the fractions of four weights in two bytes, and back; of two weights, if there are no more */
INLINED int32x4_t load_fractions(const int8_t *from, mve_pred16_t some) {
  static const int32_t left[4] = {28, 24, 28, 24};
  uint32x4_t byte = vshrq_n_u32(vidupq_n_u32(0, 1), 1);
  int32x4_t both = vldrbq_gather_offset_z_s32(from, byte, some);
  return vshrq_n_s32(vshlq_s32(both, vld1q_s32(left)), 28);
}
INLINED void store_fractions(int8_t *to, int32x4_t v, mve_pred16_t some) {
  to[0] = (int8_t)((vgetq_lane_s32(v, 0) & 15) | vgetq_lane_s32(v, 1) * 16);
  if (some >> 8) to[1] = (int8_t)((vgetq_lane_s32(v, 2) & 15) | vgetq_lane_s32(v, 3) * 16);
}

/* p[at] and those behind it, of which the first is the n-th that learns.  A move beyond the 131072 of
 * `move_weight` saturates all the same. */
INLINED void move_four_weights(int8_t *p, int at, int n, float32x4_t move, const Planes *k,
                               int32_t most, mve_pred16_t some) {
  int8_t *fractions = p + k->size + (k->bits == 4 ? n / 2 : n);
  int32x4_t v = vshlq_r_s32(vldrbq_z_s32(p + at, some), k->bits);
  if (k->bits == 4) v = vaddq_s32(v, load_fractions(fractions, some));
  else if (k->bits) v = vaddq_s32(v, vldrbq_z_s32(fractions, some));
  v = vqaddq_s32(v, four_rounded(move, k->key, (uint32_t)at));
  v = vmaxq_s32(vminq_s32(v, vdupq_n_s32(most)), vdupq_n_s32(-most));
  vstrbq_p_s32(p + at, vrshlq_n_s32(v, -k->bits), some);
  if (k->bits == 4) store_fractions(fractions, v, some);
  else if (k->bits) vstrbq_p_s32(fractions, v, some);
}

/* the same of many, moved by the sums times scale and factor */
static ONE_COPY void move_weights(int8_t *p, int at, int n, int many, const int32_t *sums,
                                  float scale, float factor, const Planes *planes) {
  Planes k = *planes;
  int32_t most = 127 * (1 << k.bits);
  for (; many >= 4; many -= 4, at += 4, n += 4, sums += 4) {
    float32x4_t move = vmulq_n_f32(vmulq_n_f32(vcvtq_f32_s32(vld1q_s32(sums)), scale), factor);
    move_four_weights(p, at, n, move, &k, most, 0xFFFF);
  }
  if (many > 0) {
    float32x4_t move = vmulq_n_f32(vmulq_n_f32(vcvtq_f32_s32(vld1q_s32(sums)), scale), factor);
    move_four_weights(p, at, n, move, &k, most, vctp32q((uint32_t)many));
  }
}

/* p[element] and those behind it, of `width` bytes */
INLINED void move_four_biases(void *p, int width, float32x4_t move, uint32_t key,
                              uint32_t element, mve_pred16_t some) {
  const float far = 1073741760.0f;
  move = vmaxnmq_f32(vminnmq_f32(move, vdupq_n_f32(far)), vdupq_n_f32(-far));
  int32x4_t by = four_rounded(move, key, element);
  if (width == 2) {
    int16_t *delta = (int16_t *)p + element;
    int32x4_t v = vqaddq_s32(vldrhq_z_s32(delta, some), by);
    vstrhq_p_s32(delta, vmaxq_s32(vminq_s32(v, vdupq_n_s32(32767)), vdupq_n_s32(-32767)), some);
    return;
  }
  int32_t *bias = (int32_t *)p + element;
  int32x4_t v = vqaddq_s32(vldrwq_z_s32(bias, some), by);
  vstrwq_p_s32(bias, vmaxq_s32(v, vdupq_n_s32(-2147483647)), some);
}
#endif
