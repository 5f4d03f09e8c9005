#include "bfp.h"
#include "conv2d_bfp_generic.h"
#include "kernel.h"
#include "pointwise_bfp.h"
/* as the reference kernel; 1x1 two products at a time */
KERNEL ONE_COPY void k_conv2d_bfp_dx(
    void *restrict dx, const void *g, const int8_t *w, const int16_t *r, const int32_t *e,
    const int32_t *gain, const int32_t *bound, const int32_t *out, int N, int H, int W, int C,
    int OH, int OW, int O, int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW, int G,
    int bytes) {
  Shifts shifts = layer_shifts(*e, r[O], *gain, *bound, *out);
  if (KH * KW * SH * SW * G == 1 && OH == H && OW == W && C >= 4)
    (void)pointwise_bfp(dx, g, w, r, shifts, N * H * W, O, C, bytes);
  else
    (void)conv2d_bfp_generic(dx, g, w, r, shifts, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL, DH,
                            DW, G, bytes);
}
