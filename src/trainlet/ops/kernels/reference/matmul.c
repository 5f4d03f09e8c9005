#include "kernel.h"
/* y[B,M,N] = a[B,M,K] b[B,K,N]; an operand is stored with its last two dimensions swapped
 * when its flag is set */
KERNEL void k_matmul(float *restrict y, const float *a, const float *b, int B, int M, int K, int N,
                     int a_swapped, int b_swapped) {
  int am = a_swapped ? 1 : K, ak = a_swapped ? M : 1;
  int bk = b_swapped ? 1 : N, bn = b_swapped ? K : 1;
  for (int batch = 0; batch < B; batch++, a += M * K, b += K * N)
    for (int m = 0; m < M; m++)
      for (int n = 0; n < N; n++) {
        float s = 0.0f;
        for (int k = 0; k < K; k++) s += a[m * am + k * ak] * b[k * bk + n * bn];
        *y++ = s;
      }
}
