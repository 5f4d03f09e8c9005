#include "exp.h"
#include "kernel.h"
/* dz = (softmax(z) - t) / R, t as in cross_entropy */
KERNEL void k_cross_entropy_dz(float *dz, const float *z, const int32_t *label, int R, int C,
                               float smoothing) {
  for (int r = 0; r < R; r++, z += C, dz += C) {
    float top = z[0], sum = 0.0f;
    for (int c = 1; c < C; c++) top = z[c] > top ? z[c] : top;
    for (int c = 0; c < C; c++) {
      dz[c] = exp_f32(z[c] - top);
      sum += dz[c];
    }
    for (int c = 0; c < C; c++) {
      float t = smoothing / (float)C + (c == label[r] ? 1.0f - smoothing : 0.0f);
      dz[c] = (dz[c] / sum - t) / (float)R;
    }
  }
}
