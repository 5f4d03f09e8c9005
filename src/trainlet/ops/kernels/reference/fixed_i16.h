/* exp, the logistic function and tanh of 16-bit fixed-point numbers, bit for bit what TensorFlow
 * Lite's kernels for int16 compute.  A number with n integer bits is raw / 2^(15 - n). */
#ifndef TRAINLET_FIXED_I16_H
#define TRAINLET_FIXED_I16_H
#include <stdint.h>
static inline int16_t wrap_i16(int32_t x) { return (int16_t)(uint16_t)(uint32_t)x; }
static inline int16_t saturate_i16(int32_t x) {
  return (int16_t)(x > INT16_MAX ? INT16_MAX : x < INT16_MIN ? INT16_MIN : x);
}
/* a * b / 2^15, rounded */
static inline int16_t high_mul_i16(int16_t a, int16_t b) {
  int32_t product = (int32_t)a * b;
  if (a == b && a == INT16_MIN) return INT16_MAX;
  return (int16_t)((product + (product >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15));
}
/* x / 2^exponent, rounded, halves away from zero */
static inline int16_t divide_pot_i16(int32_t x, int exponent) {
  int32_t mask = (1 << exponent) - 1;
  return wrap_i16((x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0)));
}
static inline int16_t shift_left_i16(int16_t x, int by) { return saturate_i16((int32_t)x * (1 << by)); }
/* exp(a) of a in [-1/4, 0), both without integer bits: a series around -1/8 */
static inline int16_t exp_quarter_i16(int16_t a) {
  int16_t x = wrap_i16(a + 4096), x2 = high_mul_i16(x, x), x3 = high_mul_i16(x2, x);
  int16_t x4 = divide_pot_i16(high_mul_i16(x2, x2), 2);
  int16_t s = divide_pot_i16(wrap_i16(high_mul_i16(wrap_i16(x4 + x3), 10923) + x2), 1);
  return saturate_i16(28918 + high_mul_i16(28918, wrap_i16(x + s)));
}
/* exp(a) of a <= 0 with so many integer bits; the result has none */
static inline int16_t exp_i16(int16_t a, int bits) {
  static const int16_t factor[] = {25520, 19875, 12055, 4435, 600, 11};
  int fraction = 15 - bits, quarter = 1 << (fraction - 2);
  int16_t part = (int16_t)((a & (quarter - 1)) - quarter);
  int16_t y = exp_quarter_i16(shift_left_i16(part, bits));
  int32_t rest = part - a;
  for (int k = 0; k < bits + 2; k++)
    if (rest & (quarter << k)) y = high_mul_i16(y, factor[k]);
  return a == 0 ? INT16_MAX : y;
}
/* 2 / (1 + a), less a quarter of its scale: two integer bits; Newton's method */
static inline int16_t inverse_i16(int16_t a) {
  int32_t sum = (int32_t)a + INT16_MAX;
  int16_t half = (int16_t)((sum + 1) / 2), x = wrap_i16(23130 + high_mul_i16(half, -15420));
  for (int k = 0; k < 3; k++) {
    int16_t error = wrap_i16(8192 - high_mul_i16(half, x));
    x = wrap_i16(x + shift_left_i16(high_mul_i16(x, error), 2));
  }
  return x;
}
/* the argument has three integer bits, the result none */
static inline int16_t sigmoid_i16(int16_t a) {
  int16_t size = a > 0 ? a : wrap_i16(-a);
  int16_t y = shift_left_i16(inverse_i16(exp_i16(wrap_i16(-size), 3)), 1);
  return a == 0 ? 16384 : a > 0 ? y : wrap_i16(INT16_MAX - y);
}
static inline int16_t tanh_i16(int16_t a) {
  int16_t negative = a < 0 ? a : wrap_i16(-a);
  int16_t y = shift_left_i16(wrap_i16(inverse_i16(exp_i16(negative, 4)) - 8192), 2);
  return a == 0 ? 0 : a < 0 ? wrap_i16(-y) : y;
}
#endif
