/* The normal distribution's cumulative function, (1 + erf(x / sqrt 2)) / 2.
 * erf by Abramowitz & Stegun 7.1.26 (absolute error below 1.5e-7), near 0 by its series. */
#ifndef TRAINLET_ERF_H
#define TRAINLET_ERF_H
#include "exp.h"
static inline float normal_cdf_f32(float x) {
  float z = x * 0.707106781f, a = z < 0.0f ? -z : z, tail;
  if (a < 0.5f) {
    float q = z * z;
    float p = 1.20553327e-4f;
    p = p * q - 8.54832702e-4f;
    p = p * q + 5.22397762e-3f;
    p = p * q - 2.68661706e-2f;
    p = p * q + 1.12837917e-1f;
    p = p * q - 3.76126389e-1f;
    p = p * q + 1.12837917f;
    return 0.5f + 0.5f * (z * p);
  }
  float t = 1.0f / (1.0f + 0.3275911f * a);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  tail = 0.5f * p * t * exp_f32(-a * a);
  return z < 0.0f ? tail : 1.0f - tail;
}
#endif
