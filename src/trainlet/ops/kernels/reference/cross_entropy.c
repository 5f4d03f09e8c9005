#include "exp.h"
#include "kernel.h"
#include "log.h"
/* mean over R rows of -sum_c t_c log softmax(z)_c, t = (1 - smoothing) one-hot + smoothing / C */
KERNEL void k_cross_entropy(float *loss, const float *z, const int32_t *label, int R, int C,
                            float smoothing) {
  float total = 0.0f;
  for (int r = 0; r < R; r++, z += C) {
    float top = z[0], sum = 0.0f, mean = 0.0f;
    for (int c = 1; c < C; c++) top = z[c] > top ? z[c] : top;
    for (int c = 0; c < C; c++) {
      sum += exp_f32(z[c] - top);
      mean += z[c] - top;
    }
    mean = mean / (float)C;
    total += log_f32(sum) - (1.0f - smoothing) * (z[label[r]] - top) - smoothing * mean;
  }
  *loss = total / (float)R;
}
