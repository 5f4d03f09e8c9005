#include "kernel.h"
KERNEL void k_softmax_dx(float *dx, const float *g, const float *y, int R, int C) {
  for (int r = 0; r < R; r++, g += C, y += C, dx += C) {
    float along = 0.0f;
    for (int c = 0; c < C; c++) along += g[c] * y[c];
    for (int c = 0; c < C; c++) dx[c] = y[c] * (g[c] - along);
  }
}
