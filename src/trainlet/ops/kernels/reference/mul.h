#ifndef TRAINLET_MUL_H
#define TRAINLET_MUL_H
static inline float mul_f32(float p, float q) { return p * q; }
#endif
