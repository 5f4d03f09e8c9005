#include "depthwise_dx_f32.h"
#include "kernel.h"
/* as the reference kernel, eight channels at a time */
KERNEL ONE_COPY void k_depthwise_dx(float *restrict dx, const float *g, const float *w, int N,
                                    int H, int W, int C, int OH, int OW, int KH, int KW, int SH,
                                    int SW, int PT, int PL, int DH, int DW) {
  depthwise_dx(dx, g, w, 0, 4, C, C, N, H, W, C, OH, OW, KH, KW, SH, SW, PT, PL, DH, DW);
}
