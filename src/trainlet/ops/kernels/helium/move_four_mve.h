/* `move_weight` of planes.h and `move_bias` of move_bias.h for four elements. */
#ifndef TRAINLET_MOVE_FOUR_MVE_H
#define TRAINLET_MOVE_FOUR_MVE_H
#include "planes.h"
#include "rounding_mve.h"

/* whether four weights at a time move as they do one by one */
static inline int fits_four_weights(const Planes *k) {
  return k->mode == ROUND_STOCHASTIC && k->bits != 4;
}

/* p[at] and those behind it, of which the first is the n-th that learns */
INLINED void move_four_weights(int8_t *p, int at, int n, float32x4_t move, const Planes *k,
                               mve_pred16_t some) {
  int32_t most = 127 * (1 << k->bits);
  int8_t *fractions = p + k->size + n;
  int32x4_t v = vshlq_r_s32(vldrbq_z_s32(p + at, some), k->bits);
  if (k->bits) v = vaddq_s32(v, vldrbq_z_s32(fractions, some));
  v = vaddq_s32(v, four_rounded(within(move, 131072.0f), k->key, (uint32_t)at));
  v = vmaxq_s32(vminq_s32(v, vdupq_n_s32(most)), vdupq_n_s32(-most));
  vstrbq_p_s32(p + at, vrshlq_n_s32(v, -k->bits), some);
  if (k->bits) vstrbq_p_s32(fractions, v, some);
}

/* p[element] and those behind it */
INLINED void move_four_biases(int32_t *p, float32x4_t move, uint32_t key, uint32_t element,
                              mve_pred16_t some) {
  int32x4_t by = four_rounded(within(move, 1073741760.0f), key, element);
  int32x4_t v = vqaddq_s32(vldrwq_z_s32(p + element, some), by);
  vstrwq_p_s32(p + element, vmaxq_s32(v, vdupq_n_s32(-2147483647)), some);
}
#endif
