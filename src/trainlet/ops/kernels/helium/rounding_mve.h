/* Four roundings of random.h at a time.  Vectors flush denormal numbers, so that is for moves
 * whose products are none: `no_denormals` says which. */
#ifndef TRAINLET_ROUNDING_MVE_H
#define TRAINLET_ROUNDING_MVE_H
#include "mve.h"
#include "random.h"
#define LEAST_NORMAL 1.17549435e-38f
#define LARGEST_FLOAT 3.40282347e38f

static inline int is_normal(float x) {
  return (x >= LEAST_NORMAL && x <= LARGEST_FLOAT) || (-x >= LEAST_NORMAL && -x <= LARGEST_FLOAT);
}
/* whether products of an integer, the scale and the factor are normal, or 0 for 0 */
static inline int no_denormals(float scale, float factor) {
  return is_normal(scale) && is_normal(factor) && is_normal(scale * factor);
}

/* what four elements draw, the first of them `element` */
INLINED float32x4_t four_draws(uint32_t key, uint32_t element) {
  uint32x4_t x = vmulq_n_u32(vidupq_n_u32(0, 1), 0x9e3779b9u);
  x = vaddq_n_u32(x, key + element * 0x9e3779b9u);
  x = vmulq_n_u32(veorq_u32(x, vshrq_n_u32(x, 16)), 0x7feb352du);
  x = vmulq_n_u32(veorq_u32(x, vshrq_n_u32(x, 15)), 0x846ca68bu);
  x = veorq_u32(x, vshrq_n_u32(x, 16));
  return vcvtq_n_f32_u32(vshrq_n_u32(x, 8), 24);
}

/* v, and where a < b, v + 1; as `less_below_0` */
INLINED int32x4_t one_more_where(int32x4_t v, float32x4_t a, float32x4_t b) {
#ifdef __clang__
  return vqaddq_m_n_s32(v, v, 1, vcmpltq_f32(a, b));
#else
  __asm__("vpt.f32 lt, %q1, %q2\n\tvqaddt.s32 %q0, %q0, %3" : "+w"(v) : "w"(a), "w"(b), "r"(1) : "p0");
  return v;
#endif
}

/* four moves rounded by chance, saturating; none is denormal */
INLINED int32x4_t four_rounded(float32x4_t move, uint32_t key, uint32_t element) {
  int32x4_t below = vcvtmq_s32_f32(move);
  float32x4_t rest = vsubq_f32(move, vcvtq_f32_s32(below));
  return one_more_where(below, four_draws(key, element), rest);
}
#endif
