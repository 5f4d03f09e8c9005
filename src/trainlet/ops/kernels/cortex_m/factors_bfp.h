/* Mantissas in pairs, and the factors m r of a layer. */
#ifndef TRAINLET_FACTORS_BFP_H
#define TRAINLET_FACTORS_BFP_H
#include "bfp.h"
#include "dsp.h"
#include <stdint.h>
/* plus + a product of halves, where `plus` is needed again */
#ifdef HAS_DSP
#define PRODUCT_OF(name, text)                                                              \
  static inline int32_t name(uint32_t a, uint32_t b, int32_t plus) {                        \
    int32_t y;                                                                              \
    __asm__(text " %0, %1, %2, %3" : "=r"(y) : "r"(a), "r"(b), "r"(plus));                  \
    return y;                                                                               \
  }
PRODUCT_OF(low_product, "smlabb")
PRODUCT_OF(high_product, "smlatt")
#else
static inline int32_t low_product(uint32_t a, uint32_t b, int32_t plus) {
  return smlabb(a, b, plus);
}
static inline int32_t high_product(uint32_t a, uint32_t b, int32_t plus) {
  return smlatt(a, b, plus);
}
#endif

/* mantissas k and k + 1 */
static inline uint32_t two_mantissas(const void *g, int k, int bytes) {
  if (bytes == 2) return load_bytes((const int16_t *)g + k);
  return pkhbt((uint32_t)mantissa(g, k, 1), (uint32_t)mantissa(g, k + 1, 1));
}
/* two mantissas times two scales, each rounded to 16 bits */
static inline uint32_t two_factors(uint32_t m, uint32_t r, int32_t half, int before) {
  int32_t low = low_product(m, r, half) >> before, high = high_product(m, r, half) >> before;
  return pkhbt((uint32_t)low, (uint32_t)high);
}
#endif
