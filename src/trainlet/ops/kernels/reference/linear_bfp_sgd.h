/* linear_bfp_dw, each sum applied to its weight at once: p[O,P] with P >= I */
#ifndef TRAINLET_LINEAR_BFP_SGD_H
#define TRAINLET_LINEAR_BFP_SGD_H
#include "bfp.h"
#include "planes.h"
#define LINEAR_BFP_SGD_PARAMETERS \
  int8_t *p, const void *g, const int8_t *x, const int32_t *e, const float *inverse, \
  const float *lr, const int32_t *step, int R, int O, int I, float S, int Z, int bytes, int P, \
  uint32_t seed, uint32_t tensor, int mode, int size, int bits
#define LINEAR_BFP_SGD_ARGUMENTS p, g, x, e, inverse, lr, step, R, O, I, S, Z, bytes, P, seed, \
  tensor, mode, size, bits
static inline void linear_bfp_sgd(LINEAR_BFP_SGD_PARAMETERS) {
  Planes planes = {size, bits, mode, random_key(seed, (uint32_t)*step, tensor)};
  float scale = S * power_of_two(*e);
  for (int o = 0; o < O; o++)
    for (int i = 0; i < I; i++) {
      int64_t s = 0;
      for (int r = 0; r < R; r++) s += mantissa(g, r * O + o, bytes) * (x[r * I + i] - Z);
      float factor = *lr * inverse[o] * (float)(1 << bits);
      move_weight(p, o * P + i, o * I + i, -((float)s * scale * factor), planes);
    }
}
#endif
