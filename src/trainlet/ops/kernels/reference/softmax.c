#include "exp.h"
#include "kernel.h"
/* over rows of C, shifted by the row's maximum */
KERNEL void k_softmax(float *y, const float *x, int R, int C) {
  for (int r = 0; r < R; r++, x += C, y += C) {
    float top = x[0], total = 0.0f;
    for (int c = 1; c < C; c++) top = x[c] > top ? x[c] : top;
    for (int c = 0; c < C; c++) {
      y[c] = exp_f32(x[c] - top);
      total += y[c];
    }
    for (int c = 0; c < C; c++) y[c] = y[c] / total;
  }
}
