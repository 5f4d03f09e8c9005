#include "bfp.h"
#include "conv_transpose_bfp.h"
#include "kernel.h"
/* dx[N,H,W,C] = convolution of g[N,OH,OW,O] * r[O] with w[O,KH,KW,C/G] */
KERNEL void k_conv_transpose_bfp_dx(
    void *restrict dx, const void *g, const int8_t *w, const int16_t *r, const int32_t *e,
    const int32_t *gain, const int32_t *bound, const int32_t *out, int N, int H, int W, int C,
    int OH, int OW, int O, int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW, int G,
    int bytes) {
  Shifts shifts = layer_shifts(*e, r[O], *gain, *bound, *out);
  (void)conv_transpose_bfp(dx, g, w, r, shifts, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL,
    DH, DW, G, bytes);
}
