/* The inner loop of all gradients that are matrix products. */
#ifndef TRAINLET_ADD_PRODUCTS_H
#define TRAINLET_ADD_PRODUCTS_H
#include "dsp.h"
#include "eight_sums.h"
#include <stdint.h>

/* Eight sums, of two rows of g with four of w, for each of `pairs` pairs of rows of g; the words of
 * rows that belong together lie side by side, and sums `apart` words from the next pair's. */
static ONE_COPY void add_products(int32_t *sums, const uint32_t *g, const uint32_t *w, int words,
                                  int pairs, int apart) {
#ifdef HAS_EIGHT_SUMS
  struct {
    int32_t *sums;
    int apart, words; /* in bytes */
    int32_t *end;
  } next = {sums, 4 * apart, 4 * words, sums + apart * pairs};
  register const uint32_t *rows __asm__("r9") = g;
  register int32_t *at __asm__("r10") = sums;
  const uint32_t *stop = g + words;
  SpillSlot end, first, all;
  PUT_ASIDE(end, stop);
  PUT_ASIDE(first, w);
  PUT_ASIDE(all, &next);
  __asm__ volatile("1:\tldm r10, {" EIGHT_SUMS "}\n\t"
                   "2:\t" EIGHT_SUMS_TO("%[end]") "bne 2b\n\tvmov %[x], %[all]\n\t"
                   "ldm %[x]!, {r10, r11, r12, lr}\n\tstm r10, {" EIGHT_SUMS "}\n\t"
                   "add r12, r9, r12\n\tadd r10, r10, r11\n\tvmov %[end], r12\n\t"
                   "cmp r10, lr\n\tstr r10, [%[x], #-16]\n\tvmov %[x], %[first]\n\tbne 1b"
                   : [x] "+r"(w), [end] "+t"(end), "+r"(rows), "+r"(at)
                   : [all] "t"(all), [first] "t"(first)
                   : EIGHT_SUMS_CLOBBER);
#else
  for (; pairs > 0; pairs--, sums += apart) {
    const uint32_t *rows = w;
    for (int k = words / 2; k > 0; k--, g += 2, rows += 4)
      for (int j = 0; j < 4; j++) {
        sums[j] = smlad(g[0], rows[j], sums[j]);
        sums[4 + j] = smlad(g[1], rows[j], sums[4 + j]);
      }
  }
#endif
}
#endif
