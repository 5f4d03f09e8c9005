/* tanh(x): the Taylor series near 0, else 1 - 2 / (exp(2x) + 1). */
#ifndef TRAINLET_TANH_H
#define TRAINLET_TANH_H
#include "exp.h"
static inline float tanh_f32(float x) {
  float a = x < 0.0f ? -x : x, t;
  if (a < 0.25f) {
    float q = x * x;
    float p = 2.18694885e-2f;
    p = p * q - 5.39682540e-2f;
    p = p * q + 1.33333333e-1f;
    p = p * q - 3.33333333e-1f;
    return x + x * q * p;
  }
  t = a > 10.0f ? 1.0f : 1.0f - 2.0f / (exp_f32(2.0f * a) + 1.0f);
  return x < 0.0f ? -t : t;
}
#endif
