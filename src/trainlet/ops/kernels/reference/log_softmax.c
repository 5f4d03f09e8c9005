#include "exp.h"
#include "kernel.h"
#include "log.h"
/* over rows of C: x - top - log(sum of exp(x - top)) */
KERNEL void k_log_softmax(float *y, const float *x, int R, int C) {
  for (int r = 0; r < R; r++, x += C, y += C) {
    float top = x[0], total = 0.0f;
    for (int c = 1; c < C; c++) top = x[c] > top ? x[c] : top;
    for (int c = 0; c < C; c++) total += exp_f32(x[c] - top);
    total = log_f32(total);
    for (int c = 0; c < C; c++) y[c] = x[c] - top - total;
  }
}
