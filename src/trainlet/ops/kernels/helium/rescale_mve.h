/* `rescale` and `clamp_i8` of requantize.h for four results, bit for bit: VQRDMULH is its doubled
 * high product, and VRSHL of x - (x < 0) is its shift, halves away from zero. */
#ifndef TRAINLET_RESCALE_MVE_H
#define TRAINLET_RESCALE_MVE_H
#include "mve.h"
#include "requantize.h"

typedef struct {
  int32_t zero, low, high;
} Clamp;

/* x, and where it is negative, x - less; gcc would move the predicate to a core register and back,
 * and clang has no name for it */
INLINED int32x4_t less_below_0(int32x4_t x, int32_t less) {
#ifdef __clang__
  return vsubq_m_n_s32(x, x, less, vcmpltq_n_s32(x, 0));
#else
  __asm__("vpt.s32 lt, %q0, zr\n\tvsubt.i32 %q0, %q0, %1" : "+w"(x) : "r"(less) : "p0");
  return x;
#endif
}
INLINED int32x4_t rescaled(int32x4_t sum, int32_t multiplier, int32_t shift) {
  return vrshlq_n_s32(less_below_0(vqrdmulhq_n_s32(sum, multiplier), 1), shift);
}
INLINED int32x4_t clamped(int32x4_t x, int32_t zero, int32x4_t low, int32x4_t high) {
  return vminq_s32(vmaxq_s32(vaddq_n_s32(x, zero), low), high);
}
#endif
