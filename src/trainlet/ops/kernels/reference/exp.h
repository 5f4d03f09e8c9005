/* exp(x) from +, * and bit moves alone, so that every target computes the same bits.
 * x = n ln2 + r with |r| <= ln2 / 2, exp(r) by its Taylor series to the seventh power. */
#ifndef TRAINLET_EXP_H
#define TRAINLET_EXP_H
#include <stdint.h>
static inline float exp_f32(float x) {
  if (x != x) return x;
  if (x > 89.0f) x = 89.0f;
  if (x < -104.0f) return 0.0f;
  float scaled = x * 1.44269504f;
  int32_t n = (int32_t)(scaled < 0.0f ? scaled - 0.5f : scaled + 0.5f);
  float r = x - (float)n * 0.693359375f;
  r = r - (float)n * -2.12194440e-4f;
  float p = 1.98412698e-4f;
  p = p * r + 1.38888889e-3f;
  p = p * r + 8.33333333e-3f;
  p = p * r + 4.16666667e-2f;
  p = p * r + 1.66666667e-1f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  /* 2^n in two factors: n reaches from below the smallest normal number to infinity */
  union { uint32_t bits; float value; } one = {(uint32_t)(n / 2 + 127) << 23};
  union { uint32_t bits; float value; } two = {(uint32_t)(n - n / 2 + 127) << 23};
  return p * one.value * two.value;
}
#endif
