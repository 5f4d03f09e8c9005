#include "kernel.h"
/* y[A,M,B] = of x[A,S,B], along its middle dimension, the sums of T slices index[M,T] times
 * weight[M,T] */
KERNEL void k_resample(float *restrict y, const float *x, const int32_t *index,
                       const float *weight, int A, int S, int M, int T, int B) {
  for (int a = 0; a < A; a++)
    for (int m = 0; m < M; m++, y += B) {
      for (int b = 0; b < B; b++) y[b] = 0.0f;
      for (int t = m * T; t < (m + 1) * T; t++) {
        const float *from = x + (a * S + index[t]) * B;
        for (int b = 0; b < B; b++) y[b] += weight[t] * from[b];
      }
    }
}
