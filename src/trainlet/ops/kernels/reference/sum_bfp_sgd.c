#include "column_sum.h"
#include "kernel.h"
#include "move_bias.h"
/* sum_bfp, each sum applied to its bias at once: p[C], of `width` bytes, -= lr sum / s */
KERNEL void k_sum_bfp_sgd(void *p, const void *g, const int32_t *e, const float *inverse,
                          const float *lr, const int32_t *step, int R, int C, int bytes,
                          int width, uint32_t seed, uint32_t tensor, int mode) {
  uint32_t key = random_key(seed, (uint32_t)*step, tensor);
  float scale = power_of_two(*e);
  for (int c = 0; c < C; c++) {
    float move = -((float)column_sum(g, c, R, C, bytes) * scale * (*lr * inverse[c] * 1.0f));
    move_bias(p, c, width, move, mode, key);
  }
}
