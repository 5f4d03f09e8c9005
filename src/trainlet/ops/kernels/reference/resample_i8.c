#include "kernel.h"
/* y[N,OH,OW,C] = of x[N,H,W,C] the elements rows[OH,2] and columns[OW,2] times their weights, which
 * are multiples of 2^-10; sums rounded to the nearest, halves away from zero */
KERNEL void k_resample_i8(int8_t *restrict y, const int8_t *x, const int32_t *rows,
                          const float *down, const int32_t *columns, const float *across, int N,
                          int H, int W, int C, int OH, int OW) {
  for (int n = 0; n < N; n++)
    for (int i = 0; i < 2 * OH; i += 2) {
      const int8_t *above = x + (n * H + rows[i]) * W * C;
      const int8_t *below = x + (n * H + rows[i + 1]) * W * C;
      int32_t u = (int32_t)(down[i] * 1024.0f), v = (int32_t)(down[i + 1] * 1024.0f);
      for (int j = 0; j < 2 * OW; j += 2) {
        int left = columns[j] * C, right = columns[j + 1] * C;
        int32_t p = (int32_t)(across[j] * 1024.0f), q = (int32_t)(across[j + 1] * 1024.0f);
        for (int c = 0; c < C; c++) {
          int32_t s = u * (above[left + c] * p + above[right + c] * q) +
                      v * (below[left + c] * p + below[right + c] * q);
          *y++ = (int8_t)((s + (s > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20));
        }
      }
    }
}
