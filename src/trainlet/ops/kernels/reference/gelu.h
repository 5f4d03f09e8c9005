#ifndef TRAINLET_GELU_H
#define TRAINLET_GELU_H
#include "erf.h"
static inline float gelu_f32(float x) { return x * normal_cdf_f32(x); }
#endif
