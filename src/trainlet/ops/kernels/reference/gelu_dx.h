#ifndef TRAINLET_GELU_DX_H
#define TRAINLET_GELU_DX_H
#include "erf.h"
static inline float gelu_dx_f32(float g, float x) {
  float density = 0.398942280f * exp_f32(-0.5f * x * x);
  return g * (normal_cdf_f32(x) + x * density);
}
#endif
