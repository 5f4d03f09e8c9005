/* A block of weights moved by their gradients.  With eight fractional bits and stochastic rounding,
 * as most have, what does not happen to moves of a usual size is left out. */
#ifndef TRAINLET_MOVE_WEIGHTS_H
#define TRAINLET_MOVE_WEIGHTS_H
#include "dsp.h"
#include "put_gradient.h"
#include "round_fast.h"
#include <stdint.h>
enum { MOST_OF_WEIGHT = 127 * 256 };

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

/* Of at most eight outputs from o0 on, the last two of O in one pair, the gradients of n channels
 * from c on, of C that learn; the next output's are `row` further. */
static ONE_COPY void put_gradients(const Gradients *to, const float *gradient, int row, int o0,
                                   int O, int c, int n, int C) {
  RandomWalk walk = random_walk(to->planes.key, 0);
  int usual = !to->dw && to->planes.bits == 8 && to->planes.mode == ROUND_STOCHASTIC;
  for (int o = o0; o < O && o < o0 + 8; o++, gradient += row) {
    if (o == O - 1 && !((o - o0) & 1)) gradient += row; /* the second of its pair */
    float factor = factor_of(to, o);
    for (int j = 0; j < n; j++) {
      int at = o * to->row + c + j, done = o * C + c + j;
      if (usual) j += move_some(to->p, at, done, gradient + j, n - j, factor, &to->planes, walk);
      if (j < n) put_scaled(to, o, C, c + j, gradient[j], factor);
    }
  }
}
#endif
