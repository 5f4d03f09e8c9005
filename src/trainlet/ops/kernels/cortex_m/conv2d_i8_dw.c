#include "bytes_f32.h"
#include "conv2d_dw_f32.h"
#include "kernel.h"
/* as the reference kernel, 16 sums at a time */
KERNEL ONE_COPY void k_conv2d_i8_dw(float *restrict dw, const float *g, const int8_t *x, int N,
                                    int H, int W, int C, int OH, int OW, int O, int KH, int KW,
                                    int SH, int SW, int PT, int PL, int DH, int DW, int G, float S,
                                    int Z) {
  conv2d_dw(columns_by_bytes, dw, g, x, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL, DH, DW, G,
            Z, (int)sizeof *x);
  for (int k = 0; k < O * KH * KW * (C / G); k++) dw[k] *= S;
}
