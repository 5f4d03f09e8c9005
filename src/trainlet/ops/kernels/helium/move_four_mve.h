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

/* Two fractions in a byte: where each of four lies, and how far its bits are from the top. */
typedef struct {
  uint32x4_t byte;
  int32x4_t left, right;
} Nibbles;

INLINED Nibbles nibbles(void) {
  static const int32_t left[4] = {28, 24, 28, 24};
  int32x4_t far = vld1q_s32(left);
  return (Nibbles){vshrq_n_u32(vidupq_n_u32(0, 1), 1), far, vnegq_s32(far)};
}
INLINED int32x4_t load_fractions(const int8_t *from, const Nibbles *k) {
  return vshrq_n_s32(vshlq_s32(vldrbq_gather_offset_s32(from, k->byte), k->left), 28);
}
/* both of a byte are stored there, once for each */
INLINED void store_fractions(int8_t *to, int32x4_t v, const Nibbles *k) {
  uint32x4_t bits = vshlq_u32(vreinterpretq_u32_s32(vshlq_n_s32(v, 28)), k->right);
  vstrbq_scatter_offset_u32((uint8_t *)to, k->byte, vorrq_u32(bits, vrev64q_u32(bits)));
}

/* 2^bits v plus the move, saturating.  A move beyond the 131072 of `move_weight` saturates all the
 * same. */
INLINED int32x4_t moved_four(int32x4_t v, float32x4_t move, uint32_t key, int at, int32_t most) {
  v = vqaddq_s32(v, four_rounded(move, key, (uint32_t)at));
  return vmaxq_s32(vminq_s32(v, vdupq_n_s32(most)), vdupq_n_s32(-most));
}
INLINED float32x4_t four_moves(const int32_t *sums, float scale, float factor) {
  return vmulq_n_f32(vmulq_n_f32(vcvtq_f32_s32(vld1q_s32(sums)), scale), factor);
}

/* `many` weights with a fraction of four bits each, a multiple of four */
static ONE_COPY void move_nibbles(int8_t *p, int at, int8_t *fractions, int many,
                                  const int32_t *sums, float scale, float factor, uint32_t key) {
  Nibbles k = nibbles();
  for (p += at; many > 0; many -= 4, p += 4, at += 4, fractions += 2, sums += 4) {
    int32x4_t v = vaddq_s32(vshlq_n_s32(vldrbq_s32(p), 4), load_fractions(fractions, &k));
    v = moved_four(v, four_moves(sums, scale, factor), key, at, 127 * 16);
    vstrbq_s32(p, vrshrq_n_s32(v, 4));
    store_fractions(fractions, v, &k);
  }
}
/* the same with 0 or 8 bits each */
static ONE_COPY void move_bytes(int8_t *p, int at, int8_t *fractions, int many,
                                const int32_t *sums, float scale, float factor, uint32_t key,
                                int bits) {
  for (p += at; many > 0; many -= 4, p += 4, at += 4, fractions += 4, sums += 4) {
    int32x4_t v = vshlq_r_s32(vldrbq_s32(p), bits);
    if (bits) v = vaddq_s32(v, vldrbq_s32(fractions));
    v = moved_four(v, four_moves(sums, scale, factor), key, at, 127 * (1 << bits));
    vstrbq_s32(p, vrshlq_n_s32(v, -bits));
    if (bits) vstrbq_s32(fractions, v);
  }
}

/* the same of many, moved by the sums times scale and factor */
static ONE_COPY void move_weights(int8_t *p, int at, int n, int many, const int32_t *sums,
                                  float scale, float factor, const Planes *k) {
  int8_t *fractions = p + k->size + (k->bits == 4 ? n / 2 : n);
  int fours = many & -4;
  if (k->bits == 4) move_nibbles(p, at, fractions, fours, sums, scale, factor, k->key);
  else move_bytes(p, at, fractions, fours, sums, scale, factor, k->key, k->bits);
  for (int i = fours; i < many; i++)
    move_weight(p, at + i, n + i, (float)sums[i] * scale * factor, *k);
}

/* p[element] and the three behind it, of `width` bytes */
INLINED void move_four_biases(void *p, int width, float32x4_t move, uint32_t key,
                              uint32_t element) {
  const float far = 1073741760.0f;
  move = vmaxnmq_f32(vminnmq_f32(move, vdupq_n_f32(far)), vdupq_n_f32(-far));
  int32x4_t by = four_rounded(move, key, element);
  if (width == 2) {
    int16_t *delta = (int16_t *)p + element;
    int32x4_t v = vqaddq_s32(vldrhq_s32(delta), by);
    vstrhq_s32(delta, vmaxq_s32(vminq_s32(v, vdupq_n_s32(32767)), vdupq_n_s32(-32767)));
    return;
  }
  int32_t *bias = (int32_t *)p + element;
  vst1q_s32(bias, vmaxq_s32(vqaddq_s32(vld1q_s32(bias), by), vdupq_n_s32(-2147483647)));
}
#endif
