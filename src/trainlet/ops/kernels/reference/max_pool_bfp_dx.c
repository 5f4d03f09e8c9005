#include "bfp.h"
#include "kernel.h"
/* dx[N,H,W,C]: each gradient goes to its window's winner */
KERNEL void k_max_pool_bfp_dx(void *restrict dx, const void *g, const uint8_t *winner,
                              const int32_t *e, const int32_t *out, int N, int H, int W, int C,
                              int OH, int OW, int KH, int KW, int SH, int SW, int PT, int PL,
                              int bytes) {
  int drop = *out - *e, k = 0;
  (void)KH;
  for (int i = 0; i < N * H * W * C; i++) set_mantissa(dx, i, 0, bytes);
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++)
        for (int c = 0; c < C; c++, k++) {
          int row = oy * SH - PT + winner[k] / KW, column = ox * SW - PL + winner[k] % KW;
          int at = ((n * H + row) * W + column) * C + c;
          int32_t share = shift_even(mantissa(g, k, bytes), drop);
          set_mantissa(dx, at, mantissa(dx, at, bytes) + share, bytes);
        }
}
