#ifndef TRAINLET_RELU_H
#define TRAINLET_RELU_H
static inline float relu_f32(float x) { return x < 0.0f ? 0.0f : x; }
#endif
