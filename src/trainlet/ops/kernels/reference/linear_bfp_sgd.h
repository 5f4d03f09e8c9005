/* the gradients of linear_bfp_weights, each applied to its weight at once: p[O,P] with P >= I */
#ifndef TRAINLET_LINEAR_BFP_SGD_H
#define TRAINLET_LINEAR_BFP_SGD_H
#include "linear_bfp_weights.h"
#define LINEAR_BFP_SGD_PARAMETERS \
  int8_t *p, const void *g, const int8_t *x, const int32_t *e, const float *inverse, \
  const float *lr, const int32_t *step, int R, int O, int I, float S, int Z, int bytes, int P, \
  uint32_t seed, uint32_t tensor, int mode, int size, int bits
#define LINEAR_BFP_SGD_ARGUMENTS p, g, x, e, inverse, lr, step, R, O, I, S, Z, bytes, P, seed, \
  tensor, mode, size, bits
static inline void linear_bfp_sgd(LINEAR_BFP_SGD_PARAMETERS) {
  uint32_t key = random_key(seed, (uint32_t)*step, tensor);
  linear_bfp_weights(into_weights(p, inverse, lr, P, key, mode, size, bits), g, x, e, R, O, I, S, Z,
                     bytes);
}
#endif
