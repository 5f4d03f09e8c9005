/* Quantised linear layers of four rows or more: four rows are widened on the stack, and each pair
 * of outputs, widened once for as many rows as fit there, meets them two products at a time. */
#ifndef TRAINLET_LINEAR_ROWS_I8_H
#define TRAINLET_LINEAR_ROWS_I8_H
#include "dsp.h"
#include "products.h"
#include "requantize.h"
#include <stdint.h>
enum { LINEAR_WORDS = 640 }; /* on the stack: 16 rows of 64 inputs, 4 of 208; two rows of w */

/* x[R,n] less its zero point meets w[O,n] */
typedef struct {
  const int8_t *x, *w;
  int n, zero;
} Factor;

/* what is the same for all of a layer */
typedef struct {
  const int32_t *b, *q;
  int O, zero, low, high;
} Outputs;

static inline int words_of(int n) { return (n + AT_ONCE - 1) / AT_ONCE * AT_ONCE / 2; }

/* outputs o and o + 1 of `quads` times four rows; y of the first row */
static ONE_COPY void outputs_of_fours(const Outputs *to, int8_t *y, int o, const uint32_t *x,
                                  const uint32_t *rows, int words, int quads) {
  int O = to->O;
  for (y += o; quads > 0; quads--, y += 4 * O) {
    int32_t p = to->b[o], q = to->b[o + 1], sums[8] = {p, q, p, q, p, q, p, q};
    x = meet_four(sums, x, rows, rows + 2 * words);
    for (int k = 0; k < 8; k++) {
      int at = o + (k & 1);
      int32_t scaled = rescale_once(sums[k], to->q[at], to->q[O + at]);
      y[(k >> 1) * O + (k & 1)] = clamp_i8(scaled, to->zero, to->low, to->high);
    }
  }
}

/* y[R,O] of the sum of `count` factors; R at least 4, O at least 2, four rows fit the stack */
static ONE_COPY void linear_rows(int8_t *y, const Factor *factors, int count, const Outputs *to,
                                 int R) {
  uint32_t room[LINEAR_WORDS];
  int words = 0;
  for (int f = 0; f < count; f++) words += words_of(factors[f].n);
  int most = (LINEAR_WORDS - 2 * words) / (4 * words);
  uint32_t *rows = room + 4 * words * most;
  for (int r = 0; r < R;) {
    int first = r + 4 <= R ? r : R - 4, quads = (R - first) / 4 < most ? (R - first) / 4 : most;
    uint32_t *wide = room;
    for (int k = 0; k < quads; k++)
      for (int f = 0; f < count; f++) {
        const Factor *of = factors + f;
        widen_pixels(wide, of->x + (first + 4 * k) * of->n, of->n, 4, of->zero, 4, of->n);
        wide += 4 * words_of(of->n);
      }
    for (int o = 0; o < to->O; o += 2) {
      int at = o + 2 <= to->O ? o : to->O - 2;
      uint32_t *row = rows;
      for (int f = 0; f < count; f++) {
        const Factor *of = factors + f;
        widen_two(row, of->w + at * of->n, of->w + (at + 1) * of->n, 1, of->n, words_of(of->n));
        row += 2 * words_of(of->n);
      }
      outputs_of_fours(to, y + first * to->O, at, room, rows, words, quads);
    }
    r = first + 4 * quads;
  }
}
#endif
