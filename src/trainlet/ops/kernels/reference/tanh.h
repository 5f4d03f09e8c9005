/* tanh(x): an odd polynomial near 0 (Cephes), else 1 - 2 / (exp(2x) + 1). */
#ifndef TRAINLET_TANH_H
#define TRAINLET_TANH_H
#include "exp.h"
static inline float tanh_f32(float x) {
  float a = x < 0.0f ? -x : x, t;
  if (a < 0.625f) {
    float q = x * x;
    float p = -5.70498873e-3f;
    p = p * q + 2.06390888e-2f;
    p = p * q - 5.37397156e-2f;
    p = p * q + 1.33314422e-1f;
    p = p * q - 3.33332819e-1f;
    return x + x * q * p;
  }
  t = a > 10.0f ? 1.0f : 1.0f - 2.0f / (exp_f32(2.0f * a) + 1.0f);
  return x < 0.0f ? -t : t;
}
#endif
