/* of each channel C, the squares of the gradients of conv2d_bfp_weights, added up over the outputs
 * O, the taps and the examples N */
#ifndef TRAINLET_SUM_SQUARES_I8_H
#define TRAINLET_SUM_SQUARES_I8_H
#include "conv2d_bfp_weights.h"
#define SUM_SQUARES_I8_PARAMETERS \
  float *restrict total, const void *g, const int8_t *x, \
  const int32_t *e, int N, int H, int W, int C, int OH, int OW, int O, int KH, int KW, int SH, \
  int SW, int PT, int PL, int DH, int DW, int G, float S, int Z, int bytes
#define SUM_SQUARES_I8_ARGUMENTS total, g, x, e, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL, DH, \
  DW, G, S, Z, bytes
/* the mantissas of the n-th example */
static inline const void *of_example(const void *g, int n, int size, int bytes) {
  return (const int8_t *)g + n * size * bytes;
}
static inline void sum_squares_i8(SUM_SQUARES_I8_PARAMETERS) {
  for (int n = 0; n < N; n++)
    conv2d_bfp_weights((Gradients){.squares = total}, of_example(g, n, OH * OW * O, bytes),
                       x + n * H * W * C, e, 1, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL, DH, DW,
                       G, S, Z, bytes);
}
#endif
