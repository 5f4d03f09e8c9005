#include "bfp.h"
#include "conv2d_bfp_generic.h"
#include "kernel.h"
#include "pointwise_bfp.h"
/* as the reference kernel; 1x1 two products at a time */
KERNEL ONE_COPY void k_conv2d_bfp_exponent(
    int32_t *restrict out, const void *g, const int8_t *w, const int16_t *r, const int32_t *e,
    const int32_t *gain, const int32_t *bound, int N, int H, int W, int C,
    int OH, int OW, int O, int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW, int G,
    int bytes) {
  Shifts shifts = layer_shifts(*e, r[O], *gain, *bound, *bound);
  int32_t top;
  if (KH * KW * SH * SW * G == 1 && OH == H && OW == W && C >= 4)
    top = pointwise_bfp(0, g, w, r, shifts, N * H * W, O, C, bytes);
  else
    top = conv2d_bfp_generic(0, g, w, r, shifts, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL, DH,
                            DW, G, bytes);
  *out = exponent_of_sum(top, *e, r[O], shifts);
}
