#include "bfp.h"
#include "conv_transpose_bfp.h"
#include "kernel.h"
/* the exponent of conv_transpose_bfp_dx in mantissas of one byte: its sums, made once more */
KERNEL void k_conv_transpose_bfp_exponent(
    int32_t *restrict out, const void *g, const int8_t *w, const int16_t *r, const int32_t *e,
    const int32_t *gain, const int32_t *bound, int N, int H, int W, int C,
    int OH, int OW, int O, int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW, int G,
    int bytes) {
  Shifts shifts = layer_shifts(*e, r[O], *gain, *bound, *bound);
  int32_t top = conv_transpose_bfp(0, g, w, r, shifts, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL,
    DH, DW, G, bytes);
  *out = exponent_of_sum(top, *e, r[O], shifts);
}
