#ifndef TRAINLET_SCALE_H
#define TRAINLET_SCALE_H
static inline float scale_f32(float x, float factor) { return x * factor; }
#endif
