/* log(x) from +, *, / and bit moves: x = m 2^e with m near 1,
 * log m = 2 atanh((m - 1) / (m + 1)) by its series. */
#ifndef TRAINLET_LOG_H
#define TRAINLET_LOG_H
#include <stdint.h>
static inline float log_f32(float x) {
  union { float value; uint32_t bits; } m = {x};
  int32_t e = -127;
  if (x == 0.0f) return -1.0f / 0.0f;
  if (!(x > 0.0f)) return 0.0f / 0.0f;
  if (m.bits == 0x7f800000u) return x;
  if (m.bits < 0x00800000u) {
    m.value = x * 8388608.0f;
    e -= 23;
  }
  e += (int32_t)(m.bits >> 23);
  m.bits = (m.bits & 0x007fffffu) | 0x3f800000u;
  if (m.value > 1.41421356f) {
    m.value = m.value * 0.5f;
    e++;
  }
  float s = (m.value - 1.0f) / (m.value + 1.0f), q = s * s;
  float p = 0.222222222f;
  p = p * q + 0.285714286f;
  p = p * q + 0.4f;
  p = p * q + 0.666666667f;
  float r = p * q * s + 2.0f * s;
  return (float)e * 0.693359375f + (r + (float)e * -2.12194440e-4f);
}
#endif
