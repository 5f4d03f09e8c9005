#include "kernel.h"
KERNEL void k_moment2(float *v, const float *g, int size, float beta, float share) {
  for (int k = 0; k < size; k++) v[k] = beta * v[k] + share * g[k] * g[k];
}
