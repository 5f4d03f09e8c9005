/* Block floating point: mantissas of one or two bytes with a common exponent e,
 * real = mantissa * 2^e. */
#ifndef TRAINLET_BFP_H
#define TRAINLET_BFP_H
#include <stdint.h>
static inline int32_t mantissa(const void *g, int k, int bytes) {
  return bytes == 1 ? ((const int8_t *)g)[k] : ((const int16_t *)g)[k];
}
static inline void set_mantissa(void *g, int k, int32_t value, int bytes) {
  if (bytes == 1) ((int8_t *)g)[k] = (int8_t)value;
  else ((int16_t *)g)[k] = (int16_t)value;
}
static inline int32_t magnitude(int32_t x) { return x < 0 ? -x : x; }
static inline int32_t largest_mantissa(const void *g, int size, int bytes) {
  int32_t top = 0;
  for (int k = 0; k < size; k++) {
    int32_t m = magnitude(mantissa(g, k, bytes));
    if (m > top) top = m;
  }
  return top;
}
/* x / 2^shift, rounded, halves up */
static inline int32_t shift_round(int32_t x, int shift) {
  return shift ? (x + (1 << (shift - 1))) >> shift : x;
}
/* the same, halves to the even: after few bits halves are frequent, and up would be a drift */
static inline int32_t shift_even(int32_t x, int shift) {
  return shift ? (x + ((1 << (shift - 1)) - 1) + ((x >> shift) & 1)) >> shift : x;
}
/* x / 2^by in either direction; to the left by 15 bits at most */
static inline int32_t moved(int32_t x, int32_t by) {
  if (by >= 0) return shift_even(x, by < 30 ? by : 30);
  return x * (1 << (by > -15 ? -by : 15));
}
/* 2^e, within what a normal float can say */
static inline float power_of_two(int32_t e) {
  union { int32_t bits; float value; } power;
  power.bits = ((e < -126 ? -126 : e > 127 ? 127 : e) + 127) * (1 << 23);
  return power.value;
}
/* The shifts of a layer's input gradient: of its factors m r, so that they have 16 bits and their
 * sums 31, and of the sums.  r[O] behind the scales r is their exponent. */
typedef struct { int before, after; } Shifts;
/* of all bits that a layer drops, those before the sums: a sum grows by the gain, by 16 bits at
 * most */
static inline int bits_before(int all, int32_t gain) {
  int grown = 0;
  while (grown < 16 && grown < all && gain >> (grown + 1)) grown++;
  return all - grown;
}
static inline Shifts layer_shifts(int32_t e, int32_t scale, int32_t gain, int32_t bound,
                                  int32_t out) {
  int before = bits_before(bound - e - scale + 15, gain);
  Shifts shifts = {before, out - e - scale + 15 - before};
  return shifts;
}
/* the exponent that the largest sum needs in mantissas of one byte */
static inline int32_t exponent_of_sum(int32_t top, int32_t e, int32_t scale, Shifts shifts) {
  int s = 0;
  while (shift_round(top, s) > 127) s++;
  return e + scale - 15 + shifts.before + s;
}
static inline int32_t larger(int32_t top, int32_t s) {
  return magnitude(s) > top ? magnitude(s) : top;
}
#endif
