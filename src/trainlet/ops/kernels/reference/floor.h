/* The largest whole number that is not above x; from 2^23 on every float is whole. */
#ifndef TRAINLET_FLOOR_H
#define TRAINLET_FLOOR_H
#include <stdint.h>
static inline float floor_f32(float x) {
  if (!(x > -8388608.0f && x < 8388608.0f)) return x;
  float whole = (float)(int32_t)x;
  return whole > x ? whole - 1.0f : whole;
}
#endif
