/* Of each weight [O,I] the gradient S * g[R,O]' (x[R,I] - Z): a 1x1 convolution of one row. */
#ifndef TRAINLET_LINEAR_BFP_WEIGHTS_H
#define TRAINLET_LINEAR_BFP_WEIGHTS_H
#include "conv2d_bfp_weights.h"
static inline void linear_bfp_weights(Gradients to, const void *g, const int8_t *x,
                                      const int32_t *e, int R, int O, int I, float S, int Z,
                                      int bytes) {
  conv2d_bfp_weights(to, g, x, e, 1, 1, R, I, 1, R, O, 1, 1, 1, 1, 0, 0, 1, 1, 1, S, Z, bytes);
}
#endif
