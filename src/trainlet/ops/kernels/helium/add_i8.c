#include "broadcast.h"
#include "kernel.h"
#include "mve.h"
#include "rescale_mve.h"

/* what brings an operand to the common scale, 20 bits finer; `less` is 0 where the shift drops no
 * bits */
typedef struct {
  int32_t zero, shift, less;
  int32x4_t multiplier;
} Operand;

static inline Operand operand(int zero, int multiplier, int shift) {
  return (Operand){-zero * (1 << 20), shift, shift < 0, vdupq_n_s32(multiplier)};
}
INLINED int32x4_t common_scale(int32x4_t x, const Operand *k) {
  x = vmlasq_n_s32(x, vdupq_n_s32(1 << 20), k->zero);
  return vrshlq_n_s32(less_below_0(vqrdmulhq_s32(x, k->multiplier), k->less), k->shift);
}

/* two operands, and what brings their sum to the result's scale */
typedef struct {
  Operand p, q;
  int32_t multiplier, shift, zero;
  int32x4_t low, high;
} Sum;

INLINED int32x4_t sum_of(int32x4_t p, int32x4_t q, const Sum *k) {
  int32x4_t s = vaddq_s32(common_scale(p, &k->p), common_scale(q, &k->q));
  return clamped(rescaled(s, k->multiplier, k->shift), k->zero, k->low, k->high);
}
static ONE_COPY void sums_of(int8_t *y, const int8_t *p, const int8_t *q, int n, const Sum *sum) {
  Sum k = *sum;
  for (; n > 3; n -= 4, p += 4, q += 4, y += 4)
    vstrbq_s32(y, sum_of(vldrbq_s32(p), vldrbq_s32(q), &k));
  mve_pred16_t some = vctp32q((uint32_t)n);
  if (n > 0) vstrbq_p_s32(y, sum_of(vldrbq_z_s32(p, some), vldrbq_z_s32(q, some), &k), some);
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
  Sum k = {operand(ZP, MP, SP), operand(ZQ, MQ, SQ), MY, SY, ZY, vdupq_n_s32(low),
           vdupq_n_s32(high)};
  sums_of(y, p, q, d3, &k);
}
