#ifndef TRAINLET_SILU_H
#define TRAINLET_SILU_H
#include "sigmoid.h"
static inline float silu_f32(float x) { return x * sigmoid_f32(x); }
#endif
