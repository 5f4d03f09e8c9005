/* The inner loop of all gradients that are matrix products. */
#ifndef TRAINLET_ADD_PRODUCTS_H
#define TRAINLET_ADD_PRODUCTS_H
#include "dsp.h"
#include <stdint.h>
/* two words meet four */
#define PAIRS_MEET                                                                          \
  LOAD_PAIR(s, t, g);                                                                       \
  LOAD_PAIR(u, v, rows);                                                                    \
  a0 = smlad(s, u, a0), b0 = smlad(t, u, b0), a1 = smlad(s, v, a1), b1 = smlad(t, v, b1);   \
  LOAD_PAIR(u, v, rows);                                                                    \
  a2 = smlad(s, u, a2), b2 = smlad(t, u, b2), a3 = smlad(s, v, a3), b3 = smlad(t, v, b3)

/* Eight sums, of two rows of g with four of w, for each of `pairs` pairs of rows of g; the words of
 * rows that belong together lie side by side, and sums `apart` words from the next pair's. */
static ONE_COPY void add_products(int32_t *sums, const uint32_t *g, const uint32_t *w, int words,
                                  int pairs, int apart) {
  for (; pairs > 0; pairs--, sums += apart) {
    int32_t a0 = sums[0], a1 = sums[1], a2 = sums[2], a3 = sums[3];
    int32_t b0 = sums[4], b1 = sums[5], b2 = sums[6], b3 = sums[7];
    const uint32_t *rows = w;
    intptr_t stop = (intptr_t)(g + words);
    SpillSlot end;
    PUT_ASIDE(end, stop);
    do {
      uint32_t s, t, u, v;
      PAIRS_MEET;
      PAIRS_MEET;
      PAIRS_MEET;
      PAIRS_MEET;
      TAKE_BACK(stop, end);
    } while ((intptr_t)g != stop);
    sums[0] = a0, sums[1] = a1, sums[2] = a2, sums[3] = a3;
    sums[4] = b0, sums[5] = b1, sums[6] = b2, sums[7] = b3;
  }
}
#undef PAIRS_MEET
#endif
