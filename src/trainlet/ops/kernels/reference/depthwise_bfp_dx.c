#include "bfp.h"
#include "depthwise_bfp.h"
#include "kernel.h"
/* dx[N,H,W,C] from g[N,OH,OW,C], w[KH,KW,C] and its scales r[C] */
KERNEL void k_depthwise_bfp_dx(
    void *restrict dx, const void *g, const int8_t *w, const int16_t *r, const int32_t *e,
    const int32_t *gain, const int32_t *bound, const int32_t *out, int N, int H, int W, int C,
    int OH, int OW, int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW, int bytes) {
  Shifts shifts = layer_shifts(*e, r[C], *gain, *bound, *out);
  (void)depthwise_bfp(dx, g, w, r, shifts, N, H, W, C, OH, OW, KH, KW, SH, SW, PT, PL, DH, DW,
    bytes);
}
