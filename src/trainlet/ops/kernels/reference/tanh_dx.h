#ifndef TRAINLET_TANH_DX_H
#define TRAINLET_TANH_DX_H
static inline float tanh_dx_f32(float g, float y) { return g * (1.0f - y * y); }
#endif
