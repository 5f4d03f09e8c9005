#include "bfp.h"
#include "depthwise_bfp.h"
#include "depthwise_mve.h"
#include "kernel.h"
/* as the reference kernel, eight channels at a time */
KERNEL ONE_COPY void k_depthwise_bfp_dx(
    void *restrict dx, const void *g, const int8_t *w, const int16_t *r, const int32_t *e,
    const int32_t *gain, const int32_t *bound, const int32_t *out, int N, int H, int W, int C,
    int OH, int OW, int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW, int bytes) {
  Shifts shifts = layer_shifts(*e, r[C], *gain, *bound, *out);
  Gradient gradient = {dx, g, H, W, C, OH, OW, KH, KW, SH, SW, PT, PL, bytes, shifts};
  if (fits_lanes(&gradient, DH, DW))
    (void)depthwise_mve(&gradient, w, r, N);
  else
    (void)depthwise_bfp(dx, g, w, r, shifts, N, H, W, C, OH, OW, KH, KW, SH, SW, PT, PL, DH, DW,
                        bytes);
}
