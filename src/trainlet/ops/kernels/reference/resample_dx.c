#include "kernel.h"
/* the transpose of resample: each slice of g[A,M,B] times weight[M,T] is added to the slices
 * index[M,T] of dx[A,S,B] */
KERNEL void k_resample_dx(float *restrict dx, const float *g, const int32_t *index,
                          const float *weight, int A, int S, int M, int T, int B) {
  for (int k = 0; k < A * S * B; k++) dx[k] = 0.0f;
  for (int a = 0; a < A; a++)
    for (int m = 0; m < M; m++, g += B)
      for (int t = m * T; t < (m + 1) * T; t++) {
        float *to = dx + (a * S + index[t]) * B;
        for (int b = 0; b < B; b++) to[b] += weight[t] * g[b];
      }
}
