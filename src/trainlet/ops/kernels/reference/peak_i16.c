#include "kernel.h"
/* y[N] = the largest magnitude of each row of x[N,S] */
KERNEL void k_peak_i16(float *restrict y, const int16_t *x, int N, int S) {
  for (int n = 0; n < N; n++, x += S) {
    int32_t most = 0;
    for (int k = 0; k < S; k++) {
      const int32_t size = x[k] < 0 ? -(int32_t)x[k] : x[k];
      most = size > most ? size : most;
    }
    y[n] = (float)most;
  }
}
