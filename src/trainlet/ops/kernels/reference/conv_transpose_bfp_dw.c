#include "conv_transpose_bfp_weights.h"
#include "kernel.h"
/* dw[O,KH,KW,C/G]: the gradients of conv_transpose_bfp_weights as a tensor */
KERNEL void k_conv_transpose_bfp_dw(float *restrict dw, const void *g, const int8_t *x,
                                    const int32_t *e, int N, int H, int W, int C, int OH, int OW,
                                    int O, int KH, int KW, int SH, int SW, int PT, int PL, int DH,
                                    int DW, int G, float S, int Z, int bytes) {
  conv_transpose_bfp_weights((Gradients){.dw = dw}, g, x, e, N, H, W, C, OH, OW, O, KH, KW, SH, SW,
                             PT, PL, DH, DW, G, S, Z, bytes);
}
