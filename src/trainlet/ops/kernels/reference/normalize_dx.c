#include "kernel.h"
/* dx = rstd (g - mean(g) - xhat mean(g xhat)), means over the spots S and members K of a group */
KERNEL void k_normalize_dx(float *dx, const float *g, const float *xhat, const float *rstd, int R,
                           int S, int G, int K) {
  for (int r = 0; r < R; r++)
    for (int group = 0; group < G; group++) {
      int base = r * S * G * K + group * K;
      float mean = 0.0f, along = 0.0f;
      for (int s = 0; s < S; s++)
        for (int k = 0; k < K; k++) {
          int at = base + s * G * K + k;
          mean += g[at];
          along += g[at] * xhat[at];
        }
      mean = mean / (float)(S * K);
      along = along / (float)(S * K);
      for (int s = 0; s < S; s++)
        for (int k = 0; k < K; k++) {
          int at = base + s * G * K + k;
          dx[at] = rstd[r * G + group] * (g[at] - mean - xhat[at] * along);
        }
    }
}
