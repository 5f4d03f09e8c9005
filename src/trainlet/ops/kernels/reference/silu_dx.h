#ifndef TRAINLET_SILU_DX_H
#define TRAINLET_SILU_DX_H
#include "sigmoid.h"
static inline float silu_dx_f32(float g, float x) {
  float s = sigmoid_f32(x);
  return g * (s * (1.0f + x * (1.0f - s)));
}
#endif
