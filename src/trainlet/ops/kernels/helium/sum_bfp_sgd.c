#include "kernel.h"
#include "move_bias.h"
#include "move_four_mve.h"
#include "sum_columns_mve.h"
/* bits of the least normal float, and of the largest */
#define FIRST_NORMAL 0x00800000u
#define LAST_NORMAL 0x7f7fffffu

/* what sums become: moves of the biases from p[c] on, rounded one by one */
typedef struct {
  const float *inverse;
  float scale, lr;
  int mode;
  uint32_t key;
  int width;
} Rates;

static ONE_COPY void move_plainly(void *p, int c, int64_t sum, const Rates *k) {
  float move = -((float)sum * k->scale * (k->lr * k->inverse[c] * 1.0f));
  move_bias(p, c, k->width, move, k->mode, k->key);
}

/* four, or none where a product could be denormal */
static inline int move_biases_of(void *p, int c, const int32_t *sums, const Rates *k) {
  float32x4_t factor = vmulq_n_f32(vld1q_f32(k->inverse + c), k->lr);
  uint32x4_t size = vreinterpretq_u32_f32(vabsq_f32(vmulq_n_f32(factor, k->scale)));
  if (vmaxvq_u32(0, vsubq_n_u32(size, FIRST_NORMAL)) > LAST_NORMAL - FIRST_NORMAL) return 0;
  float32x4_t sum = vmulq_n_f32(vcvtq_f32_s32(vld1q_s32(sums)), k->scale);
  move_four_biases(p, k->width, vnegq_f32(vmulq_f32(sum, factor)), k->key, (uint32_t)c);
  return 1;
}

/* as the reference kernel: eight columns are summed at a time, four biases moved */
KERNEL ONE_COPY void k_sum_bfp_sgd(void *p, const void *g, const int32_t *e, const float *inverse,
                                   const float *lr, const int32_t *step, int R, int C, int bytes,
                                   int width, uint32_t seed, uint32_t tensor, int mode) {
  uint32_t key = random_key(seed, (uint32_t)*step, tensor);
  Rates rates = {inverse, power_of_two(*e), *lr, mode, key, width};
  for (int c = 0; c < C; c += 8) {
    int32_t part[8];
    int64_t all[8] = {0};
    int columns = C - c < 8 ? C - c : 8;
    for (int r = 0; r < R; r += ROWS_OF_SUM) {
      int rows = R - r < ROWS_OF_SUM ? R - r : ROWS_OF_SUM;
      sum_columns(part, g, r * C + c, columns, rows, C, bytes);
      if (R > ROWS_OF_SUM)
        for (int k = 0; k < 8; k++) all[k] += part[k];
    }
    for (int k = 0; k < columns; k += 4) {
      int many = columns - k < 4 ? columns - k : 4;
      if (mode == ROUND_STOCHASTIC && R <= ROWS_OF_SUM && many == 4 &&
          move_biases_of(p, c + k, part + k, &rates))
        continue;
      for (int n = k; n < k + many; n++)
        move_plainly(p, c + n, R > ROWS_OF_SUM ? all[n] : part[n], &rates);
    }
  }
}
