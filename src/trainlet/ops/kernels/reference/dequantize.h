#ifndef TRAINLET_DEQUANTIZE_H
#define TRAINLET_DEQUANTIZE_H
#include <stdint.h>
static inline float dequantize_f32(int8_t x, float scale, int zero) {
  return (float)(x - zero) * scale;
}
#endif
