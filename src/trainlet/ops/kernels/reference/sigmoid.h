/* 1 / (1 + exp(-x)), without overflow for large |x|. */
#ifndef TRAINLET_SIGMOID_H
#define TRAINLET_SIGMOID_H
#include "exp.h"
static inline float sigmoid_f32(float x) {
  float e = exp_f32(x < 0.0f ? x : -x);
  return x < 0.0f ? e / (1.0f + e) : 1.0f / (1.0f + e);
}
#endif
