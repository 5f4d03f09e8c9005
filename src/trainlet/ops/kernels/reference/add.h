#ifndef TRAINLET_ADD_H
#define TRAINLET_ADD_H
static inline float add_f32(float p, float q) { return p + q; }
#endif
