#ifndef TRAINLET_OFFSET_H
#define TRAINLET_OFFSET_H
static inline float offset_f32(float x, float term) { return x + term; }
#endif
