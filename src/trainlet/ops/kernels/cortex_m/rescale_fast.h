/* What `rescale` and `clamp_i8` of requantize.h give, in four instructions, where the multiplier is
 * in [2^30, 2^31) and the shift to the right, as all are but those of scales near 0 and over 1/4.
 *
 * sum * multiplier / 2^31, rounded, is sum + sum * (2 multiplier - 2^32) / 2^32, rounded, and
 * 2 multiplier - 2^32 are the bits of 2 multiplier: one SMMLAR, for every sum of 32 bits.  A second
 * one, by 2^(32 - right), shifts right, rounds halves up and adds the zero point.  Halves below
 * zero are to be rounded down.  Where the clamp begins at the zero point, they need not be.  Else
 * 2^(32 - right) + 1 does it up to 12 bits: it adds x / 2^32 to x / 2^right, which moves a half
 * away from zero, and nothing else over a half, since it is below 2^-right where
 * |x| < 2^(32 - right).  Larger results are saturated. */
#ifndef TRAINLET_RESCALE_FAST_H
#define TRAINLET_RESCALE_FAST_H
#include "dsp.h"
#include "requantize.h"
#include <stdint.h>

/* what a layer does to the sums of one output channel: `twice` is the doubled multiplier, `unit`
 * the second factor, or 0: then it takes the long way */
typedef struct {
  int32_t bias, twice, unit, shift;
} Channel;

static inline int32_t doubled(int32_t multiplier) { return (int32_t)((uint32_t)multiplier << 1); }

/* `rectified`: the clamp begins at the zero point */
static inline int32_t unit_of(int32_t multiplier, int32_t shift, int rectified) {
  uint32_t right = (uint32_t)(-2 - shift), most = rectified ? 29 : 10;
  return multiplier >= 1 << 30 && right <= most ? (1 << 30 >> right) + !rectified : 0;
}

/* channels o to o + n - 1 of O; q[2,O] holds the multipliers, then the shifts */
static ONE_COPY void channels(Channel *to, int n, const int32_t *b, const int32_t *q, int O, int o,
                              int rectified) {
  HIDE(n); /* else gcc unrolls the loop */
  for (b += o, q += o; n > 0; n--, to++, q++)
    *to = (Channel){*b++, doubled(*q), unit_of(*q, q[O], rectified), q[O]};
}

/* saturated to a byte */
static inline int8_t rescale_fast(int32_t sum, int32_t twice, int32_t unit, int32_t zero) {
  return (int8_t)ssat8(smmlar(smmlar(sum, twice, sum), unit, zero));
}

/* the same for every shift from 2 to 31 bits: `unit` is 2^(32 - right) */
static inline int8_t rescale_signed(int32_t sum, int32_t twice, int32_t unit, int32_t zero) {
  int32_t x = smmlar(sum, twice, sum);
  return (int8_t)ssat8(smmlar(x + (x >> 31), unit, zero));
}

static ONE_COPY void store_plainly(int8_t *y, int32_t sum, const Channel *c, int32_t zero) {
  int32_t multiplier = (int32_t)((uint32_t)c->twice >> 1);
  *y = clamp_i8(rescale(sum, multiplier, c->shift), zero, -128, 127);
}

INLINED void store(int8_t *y, int32_t sum, const Channel *c, int32_t zero) {
  if (c->unit)
    *y = rescale_fast(sum, c->twice, c->unit, zero);
  else
    store_plainly(y, sum, c, zero);
}

/* sums[pixels][each], those of a pixel `row` bytes from those of the one before */
static ONE_COPY void store_each(int8_t *y, int row, const int32_t *sums, int pixels, int each,
                                const Channel *c, int32_t zero) {
  for (; pixels > 0; pixels--, y += row)
    for (int k = 0; k < each; k++) store(y + k, *sums++, c + k, zero);
}

/* a narrower clamp than that of a byte, once the bytes are there */
static ONE_COPY void clamp_bytes(int8_t *y, int size, int low, int high) {
  if (low == -128 && high == 127) return;
  for (int k = 0; k < size; k++) y[k] = (int8_t)(y[k] < low ? low : y[k] > high ? high : y[k]);
}
#endif
