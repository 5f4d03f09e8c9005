#include "kernel.h"
/* p -= lr g, and the old p takes the place of g */
KERNEL void k_sgd_keeping(float *p, float *g, const float *lr, int size) {
  for (int k = 0; k < size; k++) {
    float old = p[k];
    p[k] = old - *lr * g[k];
    g[k] = old;
  }
}
