#include "kernel.h"
#include "statistics.h"
/* rstd[R,G] of x[R,S,G,K] */
KERNEL void k_normalize_rstd(float *rstd, const float *x, int R, int S, int G, int K, float eps) {
  for (int r = 0; r < R; r++)
    for (int g = 0; g < G; g++)
      rstd[r * G + g] = group_statistics(x + r * S * G * K + g * K, S, G, K, eps).rstd;
}
