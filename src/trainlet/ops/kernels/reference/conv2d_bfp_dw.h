/* dw[O,KH,KW,C/G]: the gradients of conv2d_bfp_weights as a tensor */
#ifndef TRAINLET_CONV2D_BFP_DW_H
#define TRAINLET_CONV2D_BFP_DW_H
#include "conv2d_bfp_weights.h"
#define CONV2D_BFP_DW_PARAMETERS \
  float *restrict dw, const void *g, const int8_t *x, \
  const int32_t *e, int N, int H, int W, int C, int OH, int OW, int O, int KH, int KW, int SH, \
  int SW, int PT, int PL, int DH, int DW, int G, float S, int Z, int bytes
#define CONV2D_BFP_DW_ARGUMENTS dw, g, x, e, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL, DH, \
  DW, G, S, Z, bytes
static inline void conv2d_bfp_dw(CONV2D_BFP_DW_PARAMETERS) {
  conv2d_bfp_weights((Gradients){.dw = dw}, g, x, e, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL,
                     DH, DW, G, S, Z, bytes);
}
#endif
