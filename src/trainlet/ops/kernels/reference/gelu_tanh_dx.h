#ifndef TRAINLET_GELU_TANH_DX_H
#define TRAINLET_GELU_TANH_DX_H
#include "tanh.h"
static inline float gelu_tanh_dx_f32(float g, float x) {
  float t = tanh_f32(0.797884561f * (x + 0.044715f * x * x * x));
  float inner = 0.797884561f * (1.0f + 0.134145f * x * x);
  return g * (0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner);
}
#endif
