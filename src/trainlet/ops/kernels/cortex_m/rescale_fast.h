/* What `rescale` and `clamp_i8` of requantize.h give, in five instructions, for sums that are kept
 * doubled.  It is exact where `fast_channels` says so; elsewhere kernels take the plain way. */
#ifndef TRAINLET_RESCALE_FAST_H
#define TRAINLET_RESCALE_FAST_H
#include "dsp.h"
#include <stdint.h>

/* whether every shift is to the right, and no sum of `terms` products of bytes and a bias
 * leaves 30 bits, so that it may be doubled; q[2,O] holds the multipliers, then the shifts */
static inline int fast_channels(const int32_t *b, const int32_t *q, int O, int terms) {
  if (terms > 1 << 13) return 0;
  for (int o = 0; o < O; o++)
    if ((uint32_t)b[o] + (1u << 29) > 1u << 30 || q[O + o] >= 0) return 0;
  return 1;
}

/* saturated to a byte; `right` in 1..31 */
static inline int32_t rescale_doubled(int32_t twice, int32_t multiplier, int32_t right,
                                      int32_t zero) {
  int32_t x = smmulr(twice, multiplier);
  return ssat8(shift_round_add(x + (x >> 31), right, zero));
}

/* a narrower clamp than that of a byte, once the bytes are there */
static ONE_COPY void clamp_bytes(int8_t *y, int size, int low, int high) {
  if (low == -128 && high == 127) return;
  for (int k = 0; k < size; k++) y[k] = (int8_t)(y[k] < low ? low : y[k] > high ? high : y[k]);
}
#endif
