#include "kernel.h"
#include "random.h"
/* As sgd_i8, with `bits` (4 or 8) fractional bits of each trained weight behind the `size` int8
 * weights: value = p + low / 2^bits, low in -2^(bits-1) .. 2^(bits-1) - 1. */
KERNEL void k_sgd_planes(int8_t *p, const float *g, const float *inverse, const float *lr,
                         const int32_t *step, int rows, int p_row, int g_row, int channel_rows,
                         uint32_t seed, uint32_t tensor, int mode, int size, int bits) {
  uint32_t key = random_key(seed, (uint32_t)*step, tensor);
  int32_t unit = 1 << bits, half = unit / 2;
  int8_t *low = p + size;
  for (int r = 0, n = 0; r < rows; r++)
    for (int k = 0; k < g_row; k++, n++) {
      int at = r * p_row + k, shift = bits == 4 ? (n & 1) * 4 : 0;
      int8_t *place = low + (bits == 4 ? n >> 1 : n);
      int32_t fraction = bits == 4 ? ((((uint8_t)*place >> shift) & 15) ^ 8) - 8 : *place;
      float move = -(g[n] * (*lr * inverse[channel_rows ? r / channel_rows : k] * (float)unit));
      move = move > 131072.0f ? 131072.0f : move < -131072.0f ? -131072.0f : move;
      int32_t v = p[at] * unit + fraction + round_f32(move, mode, key, (uint32_t)at);
      v = v > 127 * unit ? 127 * unit : v < -127 * unit ? -127 * unit : v;
      int32_t high = (v + half + 128 * unit) / unit - 128;
      p[at] = (int8_t)high;
      fraction = v - high * unit;
      if (bits == 4) {
        int32_t others = (uint8_t)*place & (0xf0 >> shift);
        fraction = others | (fraction & 15) << shift;
      }
      *place = (int8_t)fraction;
    }
}
