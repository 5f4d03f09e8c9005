/* The correctly rounded square root: one instruction where the target has it, else bit by bit. */
#ifndef TRAINLET_SQRT_H
#define TRAINLET_SQRT_H
#include <stdint.h>
#if !defined(TRAINLET_SOFT_SQRT) && \
    (defined(__x86_64__) || defined(__aarch64__) || (defined(__ARM_FP) && (__ARM_FP & 4)))
static inline float sqrt_f32(float x) {
#if defined(__clang__)
  return __builtin_elementwise_sqrt(x);
#elif defined(__NO_MATH_ERRNO__)
  return __builtin_sqrtf(x);
#else /* with errno, gcc's own calls the library for a negative number */
  float y;
#if defined(__x86_64__)
  __asm__("sqrtss %1, %0" : "=x"(y) : "x"(x));
#elif defined(__aarch64__)
  __asm__("fsqrt %s0, %s1" : "=w"(y) : "w"(x));
#else
  __asm__("vsqrt.f32 %0, %1" : "=t"(y) : "t"(x));
#endif
  return y;
#endif
}
#else
static inline float sqrt_f32(float x) {
  union { float value; uint32_t bits; } u = {x};
  if (!(x > 0.0f) || u.bits >= 0x7f800000u) return x < 0.0f ? 0.0f / 0.0f : x;
  int32_t e = (int32_t)(u.bits >> 23);
  uint32_t m = u.bits & 0x007fffffu;
  if (e == 0) {
    for (e = 1; !(m & 0x00800000u); e--) m <<= 1;
  } else {
    m |= 0x00800000u;
  }
  e -= 127;
  m <<= e & 1 ? 2 : 1;
  e -= e & 1;
  uint32_t root = 0, rest = 0;
  for (int k = 0; k < 25; k++) {
    rest = (rest << 2) | (k < 13 ? (m >> (24 - 2 * k)) & 3u : 0u);
    uint32_t trial = (root << 2) | 1u;
    root <<= 1;
    if (rest >= trial) {
      rest -= trial;
      root |= 1u;
    }
  }
  root += root & 1u; /* round: an odd root is never exact, so there are no ties */
  u.bits = (uint32_t)((e / 2 + 126) << 23) + (root >> 1);
  return u.value;
}
#endif
#endif
