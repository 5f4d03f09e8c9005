/* A block of weights moved by their gradients.  With four or eight fractional bits and stochastic
 * rounding, as most have, what does not happen to moves of a usual size is left out. */
#ifndef TRAINLET_MOVE_WEIGHTS_H
#define TRAINLET_MOVE_WEIGHTS_H
#include "dsp.h"
#include "put_gradient.h"
#include "round_fast.h"
#include <stdint.h>
enum { MOST_OF_WEIGHT = 127 * 256, MOST_OF_SHORT_WEIGHT = 127 * 16 };

/* n weights from the at-th on, the first of them the done-th that learns, by -gradient * factor;
 * returns how many, up to the first that takes another way */
INLINED int move_some(int8_t *p, int at, int done, const float *gradient, int n, float factor,
                      const Planes *planes, RandomWalk walk) {
  int8_t *high = p + at, *end = high + n;
  int low = planes->size + done - at;
  for (walk.seed += (uint32_t)at * walk.step; high != end; high++) {
    uint32_t v = (uint32_t)(*high * 256 + high[low]);
    v += (uint32_t)round_by_hash(-(*gradient++ * factor), next_hash(&walk));
    if (v + MOST_OF_WEIGHT > 2u * MOST_OF_WEIGHT) break;
    high[low] = (int8_t)v, *high = (int8_t)((v + 128) >> 8);
  }
  return (int)(high - p) - at;
}

/* the same with four fractional bits, those of two weights in a byte: none if the first weight is
 * not the first of two */
INLINED int move_pairs(int8_t *p, int at, int done, const float *gradient, int n, float factor,
                       const Planes *planes, RandomWalk walk) {
  int8_t *high = p + at, *end = high + (done & 1 ? 0 : n & ~1), *low = p + planes->size + done / 2;
  const uint32_t most = MOST_OF_SHORT_WEIGHT;
  for (walk.seed += (uint32_t)at * walk.step; high != end; high += 2, gradient += 2) {
    int32_t both = *low;
    uint32_t u = (uint32_t)(high[0] * 16 + ((int32_t)((uint32_t)both << 28) >> 28));
    uint32_t v = (uint32_t)(high[1] * 16 + (both >> 4));
    u += (uint32_t)round_by_hash(-(gradient[0] * factor), next_hash(&walk));
    v += (uint32_t)round_by_hash(-(gradient[1] * factor), next_hash(&walk));
    if (u + most > 2 * most || v + most > 2 * most) break;
    *low++ = (int8_t)((u & 15) | v << 4);
    high[0] = (int8_t)((int32_t)(u + 8) >> 4), high[1] = (int8_t)((int32_t)(v + 8) >> 4);
  }
  return (int)(high - p) - at;
}

/* Of at most eight outputs from o0 on, the last two of O in one pair, the gradients of n channels
 * from c on, of C that learn; the next output's are `row` further. */
static ONE_COPY void put_gradients(const Gradients *to, const float *gradient, int row, int o0,
                                   int O, int c, int n, int C) {
  RandomWalk walk = random_walk(to->planes.key, 0);
  int bits = to->p && to->planes.mode == ROUND_STOCHASTIC ? to->planes.bits : 0;
  for (int o = o0; o < O && o < o0 + 8; o++, gradient += row) {
    if (o == O - 1 && !((o - o0) & 1)) gradient += row; /* the second of its pair */
    float factor = factor_of(to, o);
    for (int j = 0; j < n; j++) {
      int at = o * to->row + c + j, done = o * C + c + j;
      const float *from = gradient + j;
      if (bits == 8) j += move_some(to->p, at, done, from, n - j, factor, &to->planes, walk);
      if (bits == 4) j += move_pairs(to->p, at, done, from, n - j, factor, &to->planes, walk);
      if (j < n) put_scaled(to, o, C, c + j, gradient[j], factor);
    }
  }
}
#endif
