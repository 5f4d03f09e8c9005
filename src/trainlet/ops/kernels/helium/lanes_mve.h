/* Depthwise sums of eight channels at a time: elements of a map and taps of 16 bits lie side by
 * side on the stack, and one output after another meets those that reach it. */
#ifndef TRAINLET_LANES_MVE_H
#define TRAINLET_LANES_MVE_H
#include "mve.h"
#include <stdint.h>
enum { LANES = 8, MAP = 64 * LANES, TAPS = 49 * LANES, MOST_COLUMNS = 64 }; /* on the stack */

/* what an output meets along one axis: n elements from the first on, and the first one's tap */
typedef struct {
  int16_t first, tap, n;
} Reach;

/* [rows][columns][LANES] and [KH][KW][LANES]; strides in elements, of a row each and of a tap */
typedef struct {
  const int16_t *map, *taps;
  int row, taps_row, next_tap;
} Lanes;

/* sums of the even channels, and of the odd ones */
INLINED int32x4x2_t sums_at(const Lanes *k, const int16_t *map, const int16_t *taps, int rows,
                            const Reach *across) {
  int32x4_t even = vdupq_n_s32(0), odd = even;
  int next = k->next_tap, row = k->row, taps_row = k->taps_row, columns = across->n;
  map += across->first * LANES, taps += across->tap * LANES;
  for (; rows > 0; rows--, map += row, taps += taps_row) {
    const int16_t *element = map, *tap = taps;
    for (int n = columns; n > 0; n--, element += LANES, tap += next) {
      int16x8_t a = vld1q_s16(element), b = vld1q_s16(tap);
      even = vaddq_s32(even, vmullbq_int_s16(a, b));
      odd = vaddq_s32(odd, vmulltq_int_s16(a, b));
    }
  }
  return (int32x4x2_t){{even, odd}};
}
#endif
