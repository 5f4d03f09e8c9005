#include "kernel.h"
#include "mve.h"
/* as the reference kernel: a byte of the mask says which of eight mantissas stay */
KERNEL ONE_COPY void k_mask_bfp(void *dx, const void *g, const uint8_t *mask, const int32_t *e,
                                int size, int bytes) {
  (void)e;
  const int16_t *from = g;
  int16_t *to = dx;
  uint16x8_t bits = vshlq_u16(vdupq_n_u16(1), vreinterpretq_s16_u16(vidupq_n_u16(0, 1)));
  for (int n = size; n > 0; n -= 8) {
    mve_pred16_t some = vctp16q((uint32_t)n);
    mve_pred16_t kept = vcmpneq_m_n_u16(vandq_u16(vdupq_n_u16(*mask++), bits), 0, some);
    if (bytes == 2) {
      vstrhq_p_s16(to, vldrhq_z_s16(from, kept), some);
      from += 8, to += 8;
    } else {
      vstrbq_p_s16((int8_t *)to, vldrbq_z_s16((const int8_t *)from, kept), some);
      from += 4, to += 4;
    }
  }
}
