#ifndef TRAINLET_RELU6_H
#define TRAINLET_RELU6_H
static inline float relu6_f32(float x) {
  float v = x < 0.0f ? 0.0f : x;
  return v > 6.0f ? 6.0f : v;
}
#endif
