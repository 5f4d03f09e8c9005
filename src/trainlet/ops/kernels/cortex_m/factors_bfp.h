/* Mantissas in pairs: the factors m r of a layer, and sums that become mantissas. */
#ifndef TRAINLET_FACTORS_BFP_H
#define TRAINLET_FACTORS_BFP_H
#include "bfp.h"
#include "dsp.h"
#include <stdint.h>
/* mantissas k and k + 1 */
static inline uint32_t two_mantissas(const void *g, int k, int bytes) {
  if (bytes == 2) return load_bytes((const int16_t *)g + k);
  return pkhbt((uint32_t)mantissa(g, k, 1), (uint32_t)mantissa(g, k + 1, 1));
}
/* two mantissas times two scales, each rounded to 16 bits */
static inline uint32_t two_factors(uint32_t m, uint32_t r, int32_t half, int before) {
  return pkhbt((uint32_t)(smlabb(m, r, half) >> before), (uint32_t)(smlatt(m, r, half) >> before));
}
/* four sums, half of 2^after added before, as mantissas */
static inline void put_four(void *dx, int at, const int32_t *sum, int after, int bytes) {
  if (bytes == 2) {
    int16_t *to = (int16_t *)dx + at;
    store_bytes(to, pkhbt((uint32_t)(sum[0] >> after), (uint32_t)(sum[1] >> after)));
    store_bytes(to + 2, pkhbt((uint32_t)(sum[2] >> after), (uint32_t)(sum[3] >> after)));
  } else {
    for (int k = 0; k < 4; k++) set_mantissa(dx, at + k, sum[k] >> after, 1);
  }
}
#endif
