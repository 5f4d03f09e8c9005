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

/* one tap; `on` goes to the next one */
#define MEET_TAP(after, on)                                                                 \
  "vldrh.16 %q[a], [%[map]], #16\n\tvldrh.16 %q[b], [%[taps]]" after "\n\t" on             \
  "vmullb.s16 %q[c], %q[a], %q[b]\n\tvadd.i32 %q[even], %q[even], %q[c]\n\t"              \
  "vmullt.s16 %q[a], %q[a], %q[b]\n\tvadd.i32 %q[odd], %q[odd], %q[a]\n\t"
#define MEET_TAPS(after, on)                                                                \
  __asm__ volatile(                                                                         \
      "2:\tdls lr, %[n]\n"                                                                  \
      "1:\t" MEET_TAP(after, on)                                                            \
      "le lr, 1b\n\t"                                                                       \
      "add %[map], %[map], %[row]\n\t"                                                      \
      "add %[taps], %[taps], %[taps_row]\n\t"                                               \
      "subs %[rows], %[rows], #1\n\t"                                                       \
      "bne 2b"                                                                              \
      : [even] "+w"(even), [odd] "+w"(odd), [map] "+r"(map), [taps] "+r"(taps),             \
        [rows] "+r"(rows), [a] "=&w"(a), [b] "=&w"(b), [c] "=&w"(c)                         \
      : [n] "r"(n), [row] "r"(row), [taps_row] "r"(taps_row), [next] "r"(2 * k->next_tap)   \
      : "lr", "cc", "memory")

/* sums of the even channels, and of the odd ones */
INLINED int32x4x2_t sums_at(const Lanes *k, const int16_t *map, const int16_t *taps, int rows,
                            const Reach *across) {
  int32x4_t even = vdupq_n_s32(0), odd = even, a, b, c;
  int n = across->n, row = 2 * (k->row - n * LANES), taps_row = 2 * (k->taps_row - n * k->next_tap);
  map += across->first * LANES, taps += across->tap * LANES;
  if (n <= 0 || rows <= 0) return (int32x4x2_t){{even, odd}};
  if (k->next_tap == LANES) MEET_TAPS(", #16", "");
  else MEET_TAPS("", "add %[taps], %[taps], %[next]\n\t");
  return (int32x4x2_t){{even, odd}};
}
#endif
