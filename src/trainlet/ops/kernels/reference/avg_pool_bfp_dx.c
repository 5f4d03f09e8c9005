#include "bfp.h"
#include "kernel.h"
#include "window.h"
/* dx[N,H,W,C]: each gradient is shared by its window's elements, in 2^-15 */
KERNEL void k_avg_pool_bfp_dx(void *restrict dx, const void *g, const int32_t *e,
                              const int32_t *out, int N, int H, int W, int C, int OH, int OW,
                              int KH, int KW, int SH, int SW, int PT, int PL, int bytes) {
  int drop = *out - *e + 15, k = 0;
  for (int n = 0; n < N; n++)
    for (int y = 0; y < H; y++)
      for (int x = 0; x < W; x++) {
        int oy0 = first_tap(KH - 1 - y - PT, SH), oy1 = (y + PT) / SH;
        int ox0 = first_tap(KW - 1 - x - PL, SW), ox1 = (x + PL) / SW;
        for (int c = 0; c < C; c++, k++) {
          int64_t s = 0;
          for (int oy = oy0; oy <= oy1 && oy < OH; oy++)
            for (int ox = ox0; ox <= ox1 && ox < OW; ox++) {
              int y0 = oy * SH - PT, x0 = ox * SW - PL;
              int rows = end_tap(y0, 1, H, KH) - first_tap(y0, 1);
              int area = rows * (end_tap(x0, 1, W, KW) - first_tap(x0, 1));
              int32_t share = (32768 + area / 2) / area;
              s += (int64_t)mantissa(g, ((n * OH + oy) * OW + ox) * C + c, bytes) * share;
            }
          if (drop) s = (s + (((int64_t)1 << (drop - 1)) - 1) + ((s >> drop) & 1)) >> drop;
          set_mantissa(dx, k, (int32_t)s, bytes);
        }
      }
}
