#include "kernel.h"
KERNEL void k_moment1(float *m, const float *g, int size, float share) {
  for (int k = 0; k < size; k++) m[k] += share * (g[k] - m[k]);
}
