#include "kernel.h"
#include "mve.h"
/* as the reference kernel: a predicate of sixteen bytes is their mask */
KERNEL ONE_COPY void k_clamp_mask_i8(uint8_t *restrict mask, const int8_t *y, int size, int low,
                                     int high) {
  for (; size > 0; size -= 16, y += 16) {
    mve_pred16_t some = vctp8q((uint32_t)size);
    int8x16_t x = vldrbq_z_s8(y, some);
    some = vcmpgtq_m_n_s8(x, (int8_t)low, some);
    some = vcmpltq_m_n_s8(x, (int8_t)high, some);
    *mask++ = (uint8_t)some;
    if (size > 8) *mask++ = (uint8_t)(some >> 8);
  }
}
