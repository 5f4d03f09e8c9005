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
  int32x4_t least = vdupq_n_s32(low), most = vdupq_n_s32(high);
  int32x4_t halves_p = vdupq_n_s32(SP < 0 ? -1 : 0), halves_q = vdupq_n_s32(SQ < 0 ? -1 : 0);
  for (int n = d3; n > 0; n -= 4, p += 4, q += 4, y += 4) {
    mve_pred16_t some = vctp32q((uint32_t)n);
    int32x4_t s = common_scale(vldrbq_z_s32(p, some), ZP, MP, SP, halves_p);
    s = vaddq_s32(s, common_scale(vldrbq_z_s32(q, some), ZQ, MQ, SQ, halves_q));
    vstrbq_p_s32(y, clamped(rescaled(s, 0, MY, SY), ZY, least, most), some);
  }
}
