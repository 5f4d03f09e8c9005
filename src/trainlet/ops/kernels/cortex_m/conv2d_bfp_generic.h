#ifndef TRAINLET_CONV2D_BFP_GENERIC_H
#define TRAINLET_CONV2D_BFP_GENERIC_H
#include "conv2d_bfp.h"
#include "dsp.h"
/* the reference kernel's loop, whose registers the fast ways need not save */
static ONE_COPY int32_t conv2d_bfp_generic(
    void *restrict dx, const void *g, const int8_t *w, const int16_t *r, Shifts shifts, int N,
    int H, int W, int C, int OH, int OW, int O, int KH, int KW, int SH, int SW, int PT, int PL,
    int DH, int DW, int G, int bytes) {
  return conv2d_bfp(dx, g, w, r, shifts, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL, DH, DW, G,
                    bytes);
}
#endif
