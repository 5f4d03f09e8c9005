/* What `rescale` and `clamp_i8` of requantize.h give, in five instructions, for sums that are kept
 * doubled: where the shift is to the right and the bias leaves room.  Other channels, marked by
 * right = 0, take the plain way. */
#ifndef TRAINLET_RESCALE_FAST_H
#define TRAINLET_RESCALE_FAST_H
#include "dsp.h"
#include "requantize.h"
#include <stdint.h>
enum { MOST_TERMS = 1 << 13 }; /* of a sum of products of bytes: below 2^28 */

/* what a layer does to the sums of one output channel; `bias` is doubled */
typedef struct {
  int32_t bias, multiplier, right;
  int32_t plain_bias, shift;
} Channel;

/* q[2,O] holds the multipliers, then the shifts */
static inline Channel channel(const int32_t *b, const int32_t *q, int O, int o) {
  int32_t shift = q[O + o], bias = b[o];
  int fast = shift < 0 && (uint32_t)bias + (1u << 29) <= 1u << 30;
  return (Channel){fast ? 2 * bias : 0, q[o], fast ? -shift : 0, bias, shift};
}

/* saturated to a byte */
static inline int32_t rescale_doubled(int32_t twice, int32_t multiplier, int32_t right,
                                      int32_t zero) {
  int32_t x = smmulr(twice, multiplier);
  return ssat8(shift_round_add(x + (x >> 31), right, zero));
}
static ONE_COPY void store_plainly(int8_t *y, int32_t twice, const Channel *c, int32_t zero) {
  int32_t sum = wrap_add(twice / 2, c->plain_bias);
  *y = clamp_i8(rescale(sum, c->multiplier, c->shift), zero, -128, 127);
}

INLINED void store(int8_t *y, int32_t twice, const Channel *c, int32_t zero) {
  if (c->right)
    *y = (int8_t)rescale_doubled(twice, c->multiplier, c->right, zero);
  else
    store_plainly(y, twice, c, zero);
}

/* a narrower clamp than that of a byte, once the bytes are there */
static ONE_COPY void clamp_bytes(int8_t *y, int size, int low, int high) {
  if (low == -128 && high == 127) return;
  for (int k = 0; k < size; k++) y[k] = (int8_t)(y[k] < low ? low : y[k] > high ? high : y[k]);
}
#endif
