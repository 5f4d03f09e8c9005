/* the nearest integer of x / scale, halves away from zero, + zero, clamped; NaN is the lowest */
#ifndef TRAINLET_QUANTIZE_H
#define TRAINLET_QUANTIZE_H
#include <stdint.h>
static inline int8_t quantize_f32(float x, float scale, int zero, int low, int high) {
  float v = x / scale;
  v = v > -1000.0f ? v : -1000.0f;
  v = v < 1000.0f ? v : 1000.0f;
  int whole = (int)v;
  float rest = v - (float)whole;
  whole += zero + (rest >= 0.5f) - (rest <= -0.5f);
  whole = whole < low ? low : whole;
  return (int8_t)(whole > high ? high : whole);
}
#endif
