#include "exponent_layer.h"
#include "kernel.h"
#include "mve.h"
/* as the reference kernel; of each column first the largest mantissa */
KERNEL ONE_COPY void k_exponent_layer(int32_t *restrict out, const void *g, const int16_t *r,
                                      const int32_t *gain, const int32_t *e, int R, int O,
                                      int bytes) {
  uint32_t top = 0;
  for (int o = 0; o < O; o += 8) {
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
    uint16x8_t scale = vreinterpretq_u16_s16(vldrhq_z_s16(r + o, some));
    top = vmaxvq_u32(top, vmullbq_int_u16(largest, scale));
    top = vmaxvq_u32(top, vmulltq_int_u16(largest, scale));
  }
  *out = *e + r[O] - 15 + bits_in_all((int32_t)top, *gain);
}
