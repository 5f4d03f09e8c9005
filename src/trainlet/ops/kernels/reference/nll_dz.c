#include "kernel.h"
/* dz[r, label_r] = -w_r / sum_r w_r, all others 0 */
KERNEL void k_nll_dz(float *dz, const float *z, const int32_t *label, const float *weight, int R,
                     int C, int ignored) {
  float sum = 0.0f;
  (void)z;
  for (int r = 0; r < R; r++)
    if (label[r] != ignored) sum += weight[label[r]];
  for (int r = 0; r < R; r++, dz += C) {
    for (int c = 0; c < C; c++) dz[c] = 0.0f;
    if (label[r] != ignored) dz[label[r]] = -weight[label[r]] / sum;
  }
}
