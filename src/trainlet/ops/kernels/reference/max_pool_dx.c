#include "kernel.h"
/* dx[N,H,W,C]: each gradient goes to its window's winner */
KERNEL void k_max_pool_dx(float *restrict dx, const float *g, const uint8_t *winner, int N, int H,
                          int W, int C, int OH, int OW, int KH, int KW, int SH, int SW, int PT,
                          int PL, int DH, int DW) {
  (void)KH;
  for (int k = 0; k < N * H * W * C; k++) dx[k] = 0.0f;
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++)
        for (int c = 0; c < C; c++) {
          int row = oy * SH - PT + *winner / KW * DH, column = ox * SW - PL + *winner % KW * DW;
          dx[((n * H + row) * W + column) * C + c] += *g++;
          winner++;
        }
}
