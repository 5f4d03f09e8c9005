#include "kernel.h"
#include "mve.h"
#include "weight_gain.h"
enum { ROWS_IN_16_BITS = 511 }; /* of magnitudes up to 128 */

/* sums of |w| of each of eight channels, or fewer, over rows C bytes apart; returns the largest */
static ONE_COPY int32_t largest_column(const int8_t *w, int C, int rows, int channels) {
  mve_pred16_t some = vctp16q((uint32_t)channels);
  uint32x4_t even = vdupq_n_u32(0), odd = even;
  while (rows > 0) {
    uint16x8_t sums = vdupq_n_u16(0);
    for (int k = rows < ROWS_IN_16_BITS ? rows : ROWS_IN_16_BITS; k > 0; k--, rows--, w += C)
      sums = vaddq_u16(sums, vreinterpretq_u16_s16(vabsq_s16(vldrbq_z_s16(w, some))));
    even = vaddq_u32(even, vmovlbq_u16(sums)), odd = vaddq_u32(odd, vmovltq_u16(sums));
  }
  return (int32_t)vmaxvq_u32(0, vmaxq_u32(even, odd));
}

/* as the reference kernel; 1x1 eight channels at a time */
KERNEL ONE_COPY void k_weight_gain(WEIGHT_GAIN_PARAMETERS) {
  if (KH * KW * SH * SW > 1) {
    weight_gain(WEIGHT_GAIN_ARGUMENTS);
    return;
  }
  int32_t most = 1;
  for (int group = 0; group < G; group++)
    for (int c = 0; c < C; c += 8)
      most = larger(most, largest_column(w + group * (O / G) * C + c, C, O / G, C - c));
  *gain = most;
}
