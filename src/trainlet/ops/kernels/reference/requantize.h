/* Rescaling by multiplier / 2^31 * 2^shift, rounded to 32 bits and again by the shift right, halves
 * away from zero: bit for bit what TensorFlow Lite's reference kernels compute. */
#ifndef TRAINLET_REQUANTIZE_H
#define TRAINLET_REQUANTIZE_H
#include <stdint.h>
static inline int32_t wrap_add(int32_t a, int32_t b) {
  return (int32_t)((uint32_t)a + (uint32_t)b);
}
static inline int32_t high_mul(int32_t a, int32_t b) {
  return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}
static inline int32_t divide_pot(int32_t x, int exponent) {
  int32_t mask = (int32_t)((1u << exponent) - 1u);
  return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0));
}
static inline int32_t rescale(int32_t x, int32_t multiplier, int shift) {
  if (shift > 0) return high_mul((int32_t)((uint32_t)x << shift), multiplier);
  return divide_pot(high_mul(x, multiplier), -shift);
}
/* the same product rounded once, from 64 bits, halves away from zero */
static inline int32_t rescale_once(int32_t x, int32_t multiplier, int shift) {
  int64_t product = (int64_t)x * multiplier;
  product = (product + ((int64_t)1 << (30 - shift)) - (product < 0)) >> (31 - shift);
  return product > INT32_MAX ? INT32_MAX : product < INT32_MIN ? INT32_MIN : (int32_t)product;
}
static inline int8_t clamp_i8(int32_t x, int zero, int low, int high) {
  if (x < low - zero) return (int8_t)low;
  if (x > high - zero) return (int8_t)high;
  return (int8_t)(x + zero);
}
#endif
