/* Sums of columns of mantissas, eight at a time. */
#ifndef TRAINLET_SUM_COLUMNS_H
#define TRAINLET_SUM_COLUMNS_H
#include "column_sum.h"
#include "dsp.h"
#include <stdint.h>
enum { SUMMED_COLUMNS = 8, SUMMED_ROWS = 65536, ROWS_OF_HALVES = 255 };

#define ADD_HALVES(word, low, high) \
  low += (int16_t)((word) & 0xFFFFu), high += (int32_t)(word) >> 16

static ONE_COPY void sum_words(float *to, const int16_t *g, int R, int C) {
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
  for (; R > 0; R--, g += C) {
    uint32_t a = load_bytes(g), b = load_bytes(g + 2);
    ADD_HALVES(a, s0, s1);
    ADD_HALVES(b, s2, s3);
    a = load_bytes(g + 4), b = load_bytes(g + 6);
    ADD_HALVES(a, s4, s5);
    ADD_HALVES(b, s6, s7);
  }
  to[0] = (float)s0, to[1] = (float)s1, to[2] = (float)s2, to[3] = (float)s3;
  to[4] = (float)s4, to[5] = (float)s5, to[6] = (float)s6, to[7] = (float)s7;
}
#undef ADD_HALVES

static inline void add_halves(int32_t *to, uint32_t even, uint32_t odd) {
  to[0] += (int16_t)(even & 0xFFFFu), to[1] += (int16_t)(odd & 0xFFFFu);
  to[2] += (int32_t)even >> 16, to[3] += (int32_t)odd >> 16;
}

static ONE_COPY void sum_bytes(float *to, const int8_t *g, int R, int C) {
  int32_t sums[SUMMED_COLUMNS] = {0};
  while (R > 0) {
    int some = R < ROWS_OF_HALVES ? R : ROWS_OF_HALVES;
    uint32_t a = 0, b = 0, c = 0, d = 0;
    for (R -= some; some > 0; some--, g += C) {
      uint32_t low = load_bytes(g), high = load_bytes(g + 4);
      a = sadd16(a, sxtb16(low)), b = sadd16(b, sxtb16_ror8(low));
      c = sadd16(c, sxtb16(high)), d = sadd16(d, sxtb16_ror8(high));
    }
    add_halves(sums, a, b), add_halves(sums + 4, c, d);
  }
  for (int k = 0; k < SUMMED_COLUMNS; k++) to[k] = (float)sums[k];
}

/* sums of SUMMED_COLUMNS columns of g[R,C], column c among them, or of as many as there are; exact
 * but for one rounding; returns the first column */
static inline int column_sums(float *to, const void *g, int c, int R, int C, int bytes) {
  if (C < SUMMED_COLUMNS || R > SUMMED_ROWS) {
    for (int k = 0; k < SUMMED_COLUMNS && c + k < C; k++)
      to[k] = (float)column_sum(g, c + k, R, C, bytes);
    return c;
  }
  if (c + SUMMED_COLUMNS > C) c = C - SUMMED_COLUMNS;
  if (bytes == 2) sum_words(to, (const int16_t *)g + c, R, C);
  else sum_bytes(to, (const int8_t *)g + c, R, C);
  return c;
}
#endif
