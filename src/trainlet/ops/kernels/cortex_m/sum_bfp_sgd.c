#include "dsp.h"
#include "kernel.h"
#include "move_bias.h"
#include "round_fast.h"
#include "sum_columns.h"
enum { FAR_BIAS = 0x4E800000 }; /* the bits of 2^30 */
/* what is the same for all biases of a layer */
typedef struct { float scale, rate; int mode; uint32_t key; } BiasMove;

static ONE_COPY void move_any_bias(int32_t *p, float move, const BiasMove *how, uint32_t element) {
  move_bias(p, move, how->mode, how->key, element);
}

/* biases `from` to `end` - 1 by their sums */
static ONE_COPY void move_biases(int32_t *p, const float *inverse, const float *sum, int from,
                                 int end, const BiasMove *how) {
  RandomWalk walk = random_walk(how->key, (uint32_t)from);
  float scale = how->scale, rate = how->rate;
  int usual = how->mode == ROUND_STOCHASTIC;
  for (int c = from; c < end; c++) {
    float move = -(*sum++ * scale * (rate * inverse[c]));
    uint32_t hash = next_hash(&walk);
    int32_t v = 0;
    if (usual && is_below(move, FAR_BIAS) &&
        !__builtin_add_overflow(p[c], round_by_hash(move, hash), &v) && v != INT32_MIN)
      p[c] = v;
    else move_any_bias(p + c, move, how, (uint32_t)c);
  }
}

/* as the reference kernel, eight columns at a time */
KERNEL ONE_COPY void k_sum_bfp_sgd(int32_t *p, const void *g, const int32_t *e,
                                   const float *inverse, const float *lr, const int32_t *step,
                                   int R, int C, int bytes, uint32_t seed, uint32_t tensor,
                                   int mode) {
  BiasMove how = {power_of_two(*e), *lr, mode, random_key(seed, (uint32_t)*step, tensor)};
  float sums[SUMMED_COLUMNS];
  for (int c = 0; c < C; c += SUMMED_COLUMNS) {
    int first = column_sums(sums, g, c, R, C, bytes);
    int end = c + SUMMED_COLUMNS < C ? c + SUMMED_COLUMNS : C;
    move_biases(p, inverse, sums + (c - first), c, end, &how);
  }
}
