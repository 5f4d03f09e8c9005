#include "kernel.h"
#include "move_bias.h"
/* biases, or a head in fixed point, p, of `width` bytes, -= lr g / s, saturating;
 * inverse = 1 / s a channel */
KERNEL void k_sgd_wide(void *p, const float *g, const float *inverse, const float *lr,
                       const int32_t *step, int rows, int p_row, int g_row, int channel_rows,
                       int width, uint32_t seed, uint32_t tensor, int mode) {
  uint32_t key = random_key(seed, (uint32_t)*step, tensor);
  for (int r = 0; r < rows; r++)
    for (int k = 0; k < g_row; k++, g++) {
      int at = r * p_row + k;
      float move = -(*g * (*lr * inverse[channel_rows ? r / channel_rows : k] * 1.0f));
      move_bias(p, at, width, move, mode, key);
    }
}
