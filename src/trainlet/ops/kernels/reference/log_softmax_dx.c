#include "exp.h"
#include "kernel.h"
/* dx = g - exp(y) * sum of g, over rows of C */
KERNEL void k_log_softmax_dx(float *dx, const float *g, const float *y, int R, int C) {
  for (int r = 0; r < R; r++, dx += C, g += C, y += C) {
    float total = 0.0f;
    for (int c = 0; c < C; c++) total += g[c];
    for (int c = 0; c < C; c++) dx[c] = g[c] - exp_f32(y[c]) * total;
  }
}
