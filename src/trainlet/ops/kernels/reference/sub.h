#ifndef TRAINLET_SUB_H
#define TRAINLET_SUB_H
static inline float sub_f32(float p, float q) { return p - q; }
#endif
