#include "kernel.h"
#include "bfp.h"
/* the same of integers x of scale S and zero point Z, and of mantissas g: the sum is exact */
KERNEL void k_add_fisher_i8(float *restrict total, const int8_t *x, const void *g, const int32_t *e, int N,
                        int D, int C, float S, int Z, int bytes) {
  const float unit = S * power_of_two(*e);
  for (int n = 0; n < N; n++)
    for (int c = 0; c < C; c++) {
      int64_t sum = 0;
      for (int d = 0, k = n * D * C + c; d < D; d++, k += C) sum += (x[k] - Z) * mantissa(g, k, bytes);
      const float dot = (float)sum * unit;
      total[c] += dot * dot;
    }
}
