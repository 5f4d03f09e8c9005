/* `rescale` and `clamp_i8` of requantize.h for four results, bit for bit: VQRDMULH is its doubled
 * high product, and VRSHL of x - (x < 0) is its shift, halves away from zero. */
#ifndef TRAINLET_RESCALE_MVE_H
#define TRAINLET_RESCALE_MVE_H
#include "mve.h"
#include "requantize.h"

typedef struct {
  int32_t zero, low, high;
} Clamp;

INLINED int32x4_t rescaled(int32x4_t sum, int32_t bias, int32_t multiplier, int32_t shift) {
  int32x4_t x = vqrdmulhq_n_s32(vaddq_n_s32(sum, bias), multiplier);
  return vrshlq_n_s32(vaddq_s32(x, vshrq_n_s32(x, 31)), shift);
}
INLINED int32x4_t clamped(int32x4_t x, int32_t zero, int32x4_t low, int32x4_t high) {
  return vminq_s32(vmaxq_s32(vaddq_n_s32(x, zero), low), high);
}
#endif
