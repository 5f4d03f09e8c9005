#include "exp.h"
#include "kernel.h"
#include "log.h"
/* mean over R rows of T^2 sum_c p_c (log p_c - log q_c), p = softmax(t / T), q = softmax(z / T) */
KERNEL void k_distillation(float *loss, const float *z, const float *t, int R, int C,
                           float temperature) {
  float total = 0.0f;
  for (int r = 0; r < R; r++, z += C, t += C) {
    float top_z = z[0], top_t = t[0], sum_z = 0.0f, sum_t = 0.0f, row = 0.0f;
    for (int c = 1; c < C; c++) {
      top_z = z[c] > top_z ? z[c] : top_z;
      top_t = t[c] > top_t ? t[c] : top_t;
    }
    for (int c = 0; c < C; c++) {
      sum_z += exp_f32((z[c] - top_z) / temperature);
      sum_t += exp_f32((t[c] - top_t) / temperature);
    }
    const float apart = log_f32(sum_z) - log_f32(sum_t);
    for (int c = 0; c < C; c++) {
      const float wanted = (t[c] - top_t) / temperature;
      row += exp_f32(wanted) / sum_t * (wanted - (z[c] - top_z) / temperature + apart);
    }
    total += row;
  }
  *loss = total / (float)R * (temperature * temperature);
}
