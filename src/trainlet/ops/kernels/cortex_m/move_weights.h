/* Weights side by side, moved by their gradients.  With eight fractional bits and stochastic
 * rounding, as most have, what does not happen to moves of a usual size is left out. */
#ifndef TRAINLET_MOVE_WEIGHTS_H
#define TRAINLET_MOVE_WEIGHTS_H
#include "dsp.h"
#include "put_gradient.h"
#include "round_fast.h"
#include <stdint.h>
enum { MOST_OF_WEIGHT = 127 * 256, FAR_MOVE = 0x48000000 }; /* the bits of 131072.0f */

static ONE_COPY void move_any_weight(int8_t *p, int at, int n, float move, const Planes *planes) {
  move_weight(p, at, n, move, *planes);
}

/* n weights from the at-th on, the first of them the done-th that learns, by -gradient * factor */
static ONE_COPY void move_weights(int8_t *p, int at, int done, const float *gradient, float factor,
                                  int n, const Planes *planes) {
  int8_t *high = p + at, *low = p + planes->size + done;
  const float *end = gradient + n;
  if (planes->bits != 8 || planes->mode != ROUND_STOCHASTIC) {
    for (; gradient != end; at++, done++)
      move_any_weight(p, at, done, -(*gradient++ * factor), planes);
    return;
  }
  RandomWalk walk = random_walk(planes->key, (uint32_t)at);
  for (; gradient != end; high++, low++) {
    float move = -(*gradient++ * factor);
    uint32_t hash = next_hash(&walk);
    if (is_below(move, FAR_MOVE)) {
      int32_t v = *high * 256 + *low + round_by_hash(move, hash);
      if (v + MOST_OF_WEIGHT >= 0 && v <= MOST_OF_WEIGHT) {
        *high = (int8_t)((v + 128) >> 8), *low = (int8_t)v;
        continue;
      }
    }
    move_any_weight(p, (int)(high - p), (int)(low - p) - planes->size, move, planes);
  }
}

/* gradients of n weights of output o from c on, of C that learn */
static inline void put_gradients(const Gradients *to, int o, int C, int c, const float *gradient,
                                 int n) {
  if (to->dw)
    for (int k = 0; k < n; k++) to->dw[o * C + c + k] = gradient[k];
  else
    move_weights(to->p, o * to->row + c, o * C + c, gradient, factor_of(to, o), n, &to->planes);
}
#endif
