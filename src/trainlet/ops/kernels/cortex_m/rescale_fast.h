/* What `rescale` and `clamp_i8` of requantize.h give, in five instructions, where the shift is to
 * the right and the multiplier in [2^30, 2^31), as all are but those of scales near 0 and over 1.
 *
 * sum * multiplier / 2^31, rounded, is sum + sum * (2 multiplier - 2^32) / 2^32, rounded, and
 * 2 multiplier - 2^32 are the bits of 2 multiplier: one SMMLAR, for every sum of 32 bits. */
#ifndef TRAINLET_RESCALE_FAST_H
#define TRAINLET_RESCALE_FAST_H
#include "dsp.h"
#include "requantize.h"
#include <stdint.h>

/* what a layer does to the sums of one output channel; `twice` is the doubled multiplier */
typedef struct {
  int32_t bias, twice, right;
} Channel;

/* q[2,O] holds the multipliers, then the shifts */
static inline Channel channel(const int32_t *b, const int32_t *q, int O, int o) {
  return (Channel){b[o], (int32_t)((uint32_t)q[o] << 1), -q[O + o]};
}

static inline int is_fast(const Channel *c) { return c->right > 0 && c->twice < 0; }

/* saturated to a byte; `right` in 1..31 */
static inline int8_t rescale_fast(int32_t sum, int32_t twice, int32_t right, int32_t zero) {
  int32_t x = smmlar(sum, twice, sum);
  return (int8_t)ssat8(shift_round_add(x + (x >> 31), right, zero));
}

static ONE_COPY void store_plainly(int8_t *y, int32_t sum, const Channel *c, int32_t zero) {
  int32_t multiplier = (int32_t)((uint32_t)c->twice >> 1);
  *y = clamp_i8(rescale(sum, multiplier, -c->right), zero, -128, 127);
}

INLINED void store(int8_t *y, int32_t sum, const Channel *c, int32_t zero) {
  if (is_fast(c))
    *y = rescale_fast(sum, c->twice, c->right, zero);
  else
    store_plainly(y, sum, c, zero);
}

/* a narrower clamp than that of a byte, once the bytes are there */
static ONE_COPY void clamp_bytes(int8_t *y, int size, int low, int high) {
  if (low == -128 && high == 127) return;
  for (int k = 0; k < size; k++) y[k] = (int8_t)(y[k] < low ? low : y[k] > high ? high : y[k]);
}
#endif
