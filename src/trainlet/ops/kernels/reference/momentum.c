#include "kernel.h"
KERNEL void k_momentum(float *m, const float *g, int size, float factor) {
  for (int k = 0; k < size; k++) m[k] = factor * m[k] + g[k];
}
