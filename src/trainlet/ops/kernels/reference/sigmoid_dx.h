#ifndef TRAINLET_SIGMOID_DX_H
#define TRAINLET_SIGMOID_DX_H
static inline float sigmoid_dx_f32(float g, float y) { return g * (y * (1.0f - y)); }
#endif
