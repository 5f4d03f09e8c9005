#ifndef TRAINLET_CLIP_H
#define TRAINLET_CLIP_H
static inline float clip_f32(float x, float low, float high) {
  float v = x < low ? low : x;
  return v > high ? high : v;
}
#endif
