#include "conv_transpose_bfp_weights.h"
#include "kernel.h"
/* the gradients of conv_transpose_bfp_weights, each applied to its weight at once: p[O,KH,KW,P]
 * with P >= C/G */
KERNEL void k_conv_transpose_bfp_sgd(
    int8_t *p, const void *g, const int8_t *x, const int32_t *e, const float *inverse,
    const float *lr, const int32_t *step, int N, int H, int W, int C, int OH, int OW, int O,
    int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW, int G, float S, int Z,
    int bytes, int P, uint32_t seed, uint32_t tensor, int mode, int size, int bits) {
  uint32_t key = random_key(seed, (uint32_t)*step, tensor);
  conv_transpose_bfp_weights(into_weights(p, inverse, lr, P, key, mode, size, bits), g, x, e, N, H,
                             W, C, OH, OW, O, KH, KW, SH, SW, PT, PL, DH, DW, G, S, Z, bytes);
}
