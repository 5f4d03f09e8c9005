#include "kernel.h"
/* of each channel C, the squared sum over the positions D of x g, added up over the examples N */
KERNEL void k_add_fisher(float *restrict total, const float *x, const float *g, int N, int D, int C) {
  for (int n = 0; n < N; n++, x += D * C, g += D * C)
    for (int c = 0; c < C; c++) {
      float dot = x[c] * g[c];
      for (int d = 1; d < D; d++) dot += x[d * C + c] * g[d * C + c];
      total[c] += dot * dot;
    }
}
