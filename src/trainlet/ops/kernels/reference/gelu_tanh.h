/* x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
#ifndef TRAINLET_GELU_TANH_H
#define TRAINLET_GELU_TANH_H
#include "tanh.h"
static inline float gelu_tanh_f32(float x) {
  return 0.5f * x * (1.0f + tanh_f32(0.797884561f * (x + 0.044715f * x * x * x)));
}
#endif
