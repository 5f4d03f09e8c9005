#include "bytes_f32.h"
#include "conv2d_dx_f32.h"
#include "kernel.h"
/* as the reference kernel, 16 sums at a time */
KERNEL ONE_COPY void k_conv2d_i8_dx(float *restrict dx, const float *g, const int8_t *w,
                                    const float *s, int N, int H, int W, int C, int OH, int OW,
                                    int O, int KH, int KW, int SH, int SW, int PT, int PL, int DH,
                                    int DW, int G) {
  conv2d_dx(scaled_rows_by_bytes, dx, g, w, s, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL, DH,
            DW, G, (int)sizeof *w);
}
