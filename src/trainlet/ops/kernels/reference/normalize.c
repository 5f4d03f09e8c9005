#include "kernel.h"
#include "statistics.h"
/* y = (x - mean) / deviation over the spots S and members K of each group in [R,S,G,K] */
KERNEL void k_normalize(float *y, const float *x, int R, int S, int G, int K, float eps) {
  for (int r = 0; r < R; r++)
    for (int g = 0; g < G; g++) {
      int base = r * S * G * K + g * K;
      statistics of = group_statistics(x + base, S, G, K, eps);
      for (int s = 0; s < S; s++)
        for (int k = 0; k < K; k++) {
          int at = base + s * G * K + k;
          y[at] = (x[at] - of.mean) * of.rstd;
        }
    }
}
