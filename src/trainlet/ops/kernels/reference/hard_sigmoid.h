#ifndef TRAINLET_HARD_SIGMOID_H
#define TRAINLET_HARD_SIGMOID_H
static inline float hard_sigmoid_f32(float x) {
  float v = x + 3.0f;
  v = v < 0.0f ? 0.0f : v;
  return (v > 6.0f ? 6.0f : v) * 0.166666667f;
}
#endif
