/* An int8 weight that learns: value = p + low / 2^bits, with `bits` (0, 4 or 8) fractional bits of
 * each trained weight behind the `size` int8 weights, low in -2^(bits-1) .. 2^(bits-1) - 1. */
#ifndef TRAINLET_PLANES_H
#define TRAINLET_PLANES_H
#include "random.h"
typedef struct { int size, bits, mode; uint32_t key; } Planes;
/* p[at], the n-th trained weight, += move in units of 2^-bits; it saturates at +-127 */
static inline void move_weight(int8_t *p, int at, int n, float move, Planes planes) {
  int bits = planes.bits, shift = bits == 4 ? (n & 1) * 4 : 0;
  int8_t *place = bits ? p + planes.size + (bits == 4 ? n >> 1 : n) : p;
  int32_t unit = 1 << bits, half = unit / 2, fraction = 0;
  if (bits == 4) fraction = ((((uint8_t)*place >> shift) & 15) ^ 8) - 8;
  else if (bits) fraction = *place;
  move = move > 131072.0f ? 131072.0f : move < -131072.0f ? -131072.0f : move;
  int32_t v = p[at] * unit + fraction + round_to_i32(move, planes.mode, planes.key, (uint32_t)at);
  v = v > 127 * unit ? 127 * unit : v < -127 * unit ? -127 * unit : v;
  int32_t high = (v + half + 128 * unit) / unit - 128;
  p[at] = (int8_t)high;
  fraction = v - high * unit;
  if (bits == 4) {
    int32_t others = (uint8_t)*place & (0xf0 >> shift);
    fraction = others | (fraction & 15) << shift;
  }
  if (bits) *place = (int8_t)fraction;
}
#endif
