/* The factors m r of a layer's input gradient, rounded to 16 bits; sums that become mantissas. */
#ifndef TRAINLET_FACTORS_MVE_H
#define TRAINLET_FACTORS_MVE_H
#include "bfp.h"
#include "mve.h"
#include <stdint.h>

/* factors of n mantissas from g[at] on */
static ONE_COPY void scale_factors(int16_t *to, const void *g, int at, const int16_t *r, int n,
                                   int before, int bytes) {
  const int16_t *wide = (const int16_t *)g + at;
  const int8_t *narrow = (const int8_t *)g + at;
  for (; n > 0; n -= 4, r += 4, to += 4) {
    mve_pred16_t some = vctp32q((uint32_t)n);
    int32x4_t m;
    if (bytes == 2) m = vldrhq_z_s32(wide, some), wide += 4;
    else m = vldrbq_z_s32(narrow, some), narrow += 4;
    int32x4_t factor = vrshlq_n_s32(vmulq_s32(m, vldrhq_z_s32(r, some)), -before);
    vstrhq_p_s32(to, factor, some);
  }
}

/* four sums as mantissas, `places` in elements behind dx[at] */
INLINED void put_mantissas(void *dx, int at, uint32x4_t places, int32x4_t sum, int after,
                           int bytes) {
  sum = vrshlq_n_s32(sum, -after);
  if (bytes == 2) vstrhq_scatter_shifted_offset_s32((int16_t *)dx + at, places, sum);
  else vstrbq_scatter_offset_s32((int8_t *)dx + at, places, sum);
}
#endif
