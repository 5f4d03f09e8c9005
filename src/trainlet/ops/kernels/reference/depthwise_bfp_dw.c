#include "depthwise_bfp_weights.h"
#include "kernel.h"
/* dw[KH,KW,C]: the gradients of depthwise_bfp_weights as a tensor */
KERNEL void k_depthwise_bfp_dw(float *restrict dw, const void *g, const int8_t *x,
                               const int32_t *e, int N, int H, int W, int C, int OH, int OW,
                               int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW,
                               float S, int Z, int bytes) {
  depthwise_bfp_weights((Gradients){.dw = dw}, g, x, e, N, H, W, C, OH, OW, KH, KW, SH, SW, PT, PL,
                        DH, DW, S, Z, bytes);
}
