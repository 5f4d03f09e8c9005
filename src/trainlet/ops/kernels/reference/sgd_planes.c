#include "kernel.h"
#include "planes.h"
/* p -= lr g / s for the leading part of p, with fractional bits; inverse = 1 / s a channel */
KERNEL void k_sgd_planes(int8_t *p, const float *g, const float *inverse, const float *lr,
                         const int32_t *step, int rows, int p_row, int g_row, int channel_rows,
                         uint32_t seed, uint32_t tensor, int mode, int size, int bits) {
  Planes planes = {size, bits, mode, random_key(seed, (uint32_t)*step, tensor)};
  float unit = (float)(1 << bits);
  for (int r = 0, n = 0; r < rows; r++)
    for (int k = 0; k < g_row; k++, n++) {
      float move = -(g[n] * (*lr * inverse[channel_rows ? r / channel_rows : k] * unit));
      move_weight(p, r * p_row + k, n, move, planes);
    }
}
