#ifndef TRAINLET_HARD_SWISH_DX_H
#define TRAINLET_HARD_SWISH_DX_H
static inline float hard_swish_dx_f32(float g, float x) {
  float inner = x * 0.333333333f + 0.5f;
  return g * (x <= -3.0f ? 0.0f : x < 3.0f ? inner : 1.0f);
}
#endif
