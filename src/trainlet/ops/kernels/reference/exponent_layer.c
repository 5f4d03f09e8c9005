#include "bfp.h"
#include "exponent_layer.h"
#include "kernel.h"
/* the exponent of a layer's input gradient: g[R,O] times the scales r[O] * 2^(r[O] - 15), times a
 * gain; neither its factors of 16 bits, nor its sums of 31, nor its mantissas can overflow */
KERNEL void k_exponent_layer(int32_t *restrict out, const void *g, const int16_t *r,
                             const int32_t *gain, const int32_t *e, int R, int O, int bytes) {
  int32_t top = 0;
  for (int k = 0; k < R; k++)
    for (int o = 0; o < O; o++) {
      int32_t m = magnitude(mantissa(g, k * O + o, bytes)) * r[o];
      if (m > top) top = m;
    }
  *out = *e + r[O] - 15 + bits_in_all(top, *gain);
}
