#include "kernel.h"
/* -sum_r w_r z[r, label_r] / sum_r w_r, w_r the weight of the label's class, 0 of an ignored label */
KERNEL void k_nll(float *loss, const float *z, const int32_t *label, const float *weight, int R,
                  int C, int ignored) {
  float total = 0.0f, sum = 0.0f;
  for (int r = 0; r < R; r++, z += C) {
    if (label[r] == ignored) continue;
    total -= weight[label[r]] * z[label[r]];
    sum += weight[label[r]];
  }
  *loss = total / sum;
}
