#include "kernel.h"
/* the leading g_row elements of each row of p: p -= lr g */
KERNEL void k_sgd(float *p, const float *g, const float *lr, int rows, int p_row, int g_row) {
  for (int r = 0; r < rows; r++, p += p_row, g += g_row)
    for (int k = 0; k < g_row; k++) p[k] -= *lr * g[k];
}
