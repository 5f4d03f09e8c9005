#include "exponent_layer.h"
#include "kernel.h"
#include "mve.h"
/* `top` or the largest product of a column's largest mantissa with its scale */
INLINED uint32_t with_scales(uint32_t top, uint16x8_t largest, int16x8_t r) {
  uint16x8_t scale = vreinterpretq_u16_s16(r);
  top = vmaxvq_u32(top, vmullbq_int_u16(largest, scale));
  return vmaxvq_u32(top, vmulltq_int_u16(largest, scale));
}

/* as the reference kernel; of each column first the largest mantissa */
KERNEL ONE_COPY void k_exponent_layer(int32_t *restrict out, const void *g, const int16_t *r,
                                      const int32_t *gain, const int32_t *e, int R, int O,
                                      int bytes) {
  uint32_t top = 0;
  int o = 0;
  for (; bytes == 2 && o + 16 <= O; o += 16) {
    uint16x8_t first = vdupq_n_u16(0), second = first;
    const int16_t *wide = (const int16_t *)g + o;
    for (int k = R; k > 0; k--, wide += O) {
      first = vmaxaq_s16(first, vld1q_s16(wide));
      second = vmaxaq_s16(second, vld1q_s16(wide + 8));
    }
    top = with_scales(top, first, vld1q_s16(r + o));
    top = with_scales(top, second, vld1q_s16(r + o + 8));
  }
  for (; o < O; o += 8) {
    mve_pred16_t some = vctp16q((uint32_t)(O - o));
    uint16x8_t largest = vdupq_n_u16(0);
    const int16_t *wide = (const int16_t *)g + o;
    const int8_t *narrow = (const int8_t *)g + o;
    if (bytes == 2)
      for (int k = R; k > 0; k--, wide += O)
        largest = vmaxaq_s16(largest, vldrhq_z_s16(wide, some));
    else
      for (int k = R; k > 0; k--, narrow += O)
        largest = vmaxaq_s16(largest, vldrbq_z_s16(narrow, some));
    top = with_scales(top, largest, vldrhq_z_s16(r + o, some));
  }
  *out = *e + r[O] - 15 + bits_in_all((int32_t)top, *gain);
}
