#include "kernel.h"
/* y[N,OH,OW,C]: output i averages input rows floor(i H / OH) to ceil((i + 1) H / OH) */
KERNEL void k_adaptive_avg_pool(float *restrict y, const float *x, int N, int H, int W, int C,
                                int OH, int OW) {
  for (int n = 0; n < N; n++)
    for (int oy = 0; oy < OH; oy++)
      for (int ox = 0; ox < OW; ox++) {
        int y0 = oy * H / OH, y1 = ((oy + 1) * H + OH - 1) / OH;
        int x0 = ox * W / OW, x1 = ((ox + 1) * W + OW - 1) / OW;
        for (int c = 0; c < C; c++) {
          float s = 0.0f;
          for (int iy = y0; iy < y1; iy++)
            for (int ix = x0; ix < x1; ix++) s += x[((n * H + iy) * W + ix) * C + c];
          *y++ = s / (float)((y1 - y0) * (x1 - x0));
        }
      }
}
