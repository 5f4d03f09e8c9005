#ifndef TRAINLET_LEAKY_RELU_H
#define TRAINLET_LEAKY_RELU_H
static inline float leaky_relu_f32(float x, float slope) { return x > 0.0f ? x : x * slope; }
#endif
