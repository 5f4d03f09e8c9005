#include "kernel.h"
/* dx[N,H,W,C]: each gradient is shared by the inputs that its output averaged */
KERNEL void k_adaptive_avg_pool_dx(float *restrict dx, const float *g, int N, int H, int W, int C,
                                   int OH, int OW) {
  for (int k = 0; k < N * H * W * C; k++) dx[k] = 0.0f;
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++, g += C) {
        int y0 = oy * H / OH, y1 = ((oy + 1) * H + OH - 1) / OH;
        int x0 = ox * W / OW, x1 = ((ox + 1) * W + OW - 1) / OW;
        for (int iy = y0; iy < y1; iy++)
          for (int ix = x0; ix < x1; ix++)
            for (int c = 0; c < C; c++)
              dx[((n * H + iy) * W + ix) * C + c] += g[c] / (float)((y1 - y0) * (x1 - x0));
      }
}
