/* the gradients of conv2d_bfp_weights, each applied to its weight at once: p[O,KH,KW,P] with
 * P >= C/G */
#ifndef TRAINLET_CONV2D_BFP_SGD_H
#define TRAINLET_CONV2D_BFP_SGD_H
#include "conv2d_bfp_weights.h"
#define CONV2D_BFP_SGD_PARAMETERS \
  int8_t *p, const void *g, const int8_t *x, const int32_t *e, const float *inverse, \
  const float *lr, const int32_t *step, int N, int H, int W, int C, int OH, int OW, int O, int KH, \
  int KW, int SH, int SW, int PT, int PL, int DH, int DW, int G, float S, int Z, int bytes, int P, \
  uint32_t seed, uint32_t tensor, int mode, int size, int bits
#define CONV2D_BFP_SGD_ARGUMENTS p, g, x, e, inverse, lr, step, N, H, W, C, OH, OW, O, KH, KW, SH, \
  SW, PT, PL, DH, DW, G, S, Z, bytes, P, seed, tensor, mode, size, bits
static inline void conv2d_bfp_sgd(CONV2D_BFP_SGD_PARAMETERS) {
  uint32_t key = random_key(seed, (uint32_t)*step, tensor);
  conv2d_bfp_weights(into_weights(p, inverse, lr, P, key, mode, size, bits), g, x, e, N, H, W, C,
                     OH, OW, O, KH, KW, SH, SW, PT, PL, DH, DW, G, S, Z, bytes);
}
#endif
