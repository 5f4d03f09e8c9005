#include "exp.h"
#include "kernel.h"
/* dz = (softmax(z / T) - softmax(t / T)) T / R */
KERNEL void k_distillation_dz(float *dz, const float *z, const float *t, int R, int C,
                              float temperature) {
  for (int r = 0; r < R; r++, z += C, t += C, dz += C) {
    float top_z = z[0], top_t = t[0], sum_z = 0.0f, sum_t = 0.0f;
    for (int c = 1; c < C; c++) {
      top_z = z[c] > top_z ? z[c] : top_z;
      top_t = t[c] > top_t ? t[c] : top_t;
    }
    for (int c = 0; c < C; c++) {
      dz[c] = exp_f32((z[c] - top_z) / temperature);
      sum_z += dz[c];
      sum_t += exp_f32((t[c] - top_t) / temperature);
    }
    for (int c = 0; c < C; c++) {
      const float wanted = exp_f32((t[c] - top_t) / temperature) / sum_t;
      dz[c] = (dz[c] / sum_z - wanted) * temperature / (float)R;
    }
  }
}
