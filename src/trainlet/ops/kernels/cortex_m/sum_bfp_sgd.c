#include "dsp.h"
#include "kernel.h"
#include "move_bias.h"
#include "round_fast.h"
#include "sum_columns.h"
enum { FAR_BIAS = 0x4E800000 }; /* the bits of 2^30 */
/* what is the same for all biases of a layer */
typedef struct { float scale, rate; int mode; uint32_t key; int width; } BiasMove;

static ONE_COPY void move_any_bias(void *p, int at, float move, const BiasMove *how) {
  move_bias(p, at, how->width, move, how->mode, how->key);
}

/* whether p[at] + by is within its limits; then it has moved */
INLINED int moves_within(void *p, int at, int width, int32_t by) {
  int32_t v = 0;
  if (width == 2) {
    v = ((int16_t *)p)[at] + by;
    if ((uint32_t)v + 32767u > 65534u) return 0;
    ((int16_t *)p)[at] = (int16_t)v;
    return 1;
  }
  if (__builtin_add_overflow(((int32_t *)p)[at], by, &v) || v == INT32_MIN) return 0;
  ((int32_t *)p)[at] = v;
  return 1;
}

/* biases `from` to `end` - 1 by their sums */
static ONE_COPY void move_biases(void *p, const float *inverse, const float *sum, int from,
                                 int end, const BiasMove *how) {
  RandomWalk walk = random_walk(how->key, (uint32_t)from);
  float scale = how->scale, rate = how->rate;
  int usual = how->mode == ROUND_STOCHASTIC;
  for (int c = from; c < end; c++) {
    float move = -(*sum++ * scale * (rate * inverse[c]));
    uint32_t hash = next_hash(&walk);
    if (usual && is_below(move, FAR_BIAS) &&
        moves_within(p, c, how->width, round_by_hash(move, hash)))
      continue;
    move_any_bias(p, c, move, how);
  }
}

/* as the reference kernel, eight columns at a time */
KERNEL ONE_COPY void k_sum_bfp_sgd(void *p, const void *g, const int32_t *e, const float *inverse,
                                   const float *lr, const int32_t *step, int R, int C, int bytes,
                                   int width, uint32_t seed, uint32_t tensor, int mode) {
  uint32_t key = random_key(seed, (uint32_t)*step, tensor);
  BiasMove how = {power_of_two(*e), *lr, mode, key, width};
  float sums[SUMMED_COLUMNS];
  for (int c = 0; c < C; c += SUMMED_COLUMNS) {
    int first = column_sums(sums, g, c, R, C, bytes);
    int end = c + SUMMED_COLUMNS < C ? c + SUMMED_COLUMNS : C;
    move_biases(p, inverse, sums + (c - first), c, end, &how);
  }
}
