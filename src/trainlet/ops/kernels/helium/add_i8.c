#include "broadcast.h"
#include "kernel.h"
#include "mve.h"
#include "rescale_mve.h"

/* an operand at the common scale, 20 bits finer; `halves` is 0 where the shift drops none */
INLINED int32x4_t common_scale(int32x4_t x, int32_t zero, int32_t multiplier, int32_t shift,
                               int32x4_t halves) {
  x = vqrdmulhq_n_s32(vshlq_n_s32(vsubq_n_s32(x, zero), 20), multiplier);
  return vrshlq_n_s32(vaddq_s32(x, vandq_s32(vshrq_n_s32(x, 31), halves)), shift);
}

/* what brings two operands to one scale, and their sum to the result's */
typedef struct {
  int MP, SP, MQ, SQ, MY, SY, ZP, ZQ, ZY;
  int32x4_t low, high, halves_p, halves_q;
} Sum;

INLINED int32x4_t sum_of(int32x4_t p, int32x4_t q, const Sum *k) {
  int32x4_t s = vaddq_s32(common_scale(p, k->ZP, k->MP, k->SP, k->halves_p),
                          common_scale(q, k->ZQ, k->MQ, k->SQ, k->halves_q));
  return clamped(rescaled(s, 0, k->MY, k->SY), k->ZY, k->low, k->high);
}

/* as the reference kernel, four elements at a time where nothing is repeated */
KERNEL ONE_COPY void k_add_i8(int8_t *restrict y, const int8_t *p, const int8_t *q,
                              BROADCAST_TWO, int MP, int SP, int MQ, int SQ, int MY, int SY,
                              int ZP, int ZQ, int ZY, int low, int high) {
  if (SP > 0 || SQ > 0 || SY >= 0 || d0 * d1 * d2 > 1 || i3 != 1 || j3 != 1) {
    BROADCAST_LOOP_TWO({
      int32_t s = rescale((p[i] - ZP) * (1 << 20), MP, SP);
      s += rescale((q[j] - ZQ) * (1 << 20), MQ, SQ);
      y[n] = clamp_i8(rescale(s, MY, SY), ZY, low, high);
    })
    return;
  }
  Sum k = {MP, SP, MQ, SQ, MY, SY, ZP, ZQ, ZY, vdupq_n_s32(low), vdupq_n_s32(high),
           vdupq_n_s32(SP < 0 ? -1 : 0), vdupq_n_s32(SQ < 0 ? -1 : 0)};
  for (int n = d3 / 4; n > 0; n--, p += 4, q += 4, y += 4)
    vstrbq_s32(y, sum_of(vldrbq_s32(p), vldrbq_s32(q), &k));
  if (d3 & 3) {
    mve_pred16_t some = vctp32q((uint32_t)d3 & 3);
    vstrbq_p_s32(y, sum_of(vldrbq_z_s32(p, some), vldrbq_z_s32(q, some), &k), some);
  }
}
