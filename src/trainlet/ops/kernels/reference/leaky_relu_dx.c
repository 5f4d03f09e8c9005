#include "kernel.h"
KERNEL void k_leaky_relu_dx(float *dx, const float *g, const uint8_t *mask, int size, float slope) {
  for (int k = 0; k < size; k++) dx[k] = mask[k >> 3] >> (k & 7) & 1 ? g[k] : g[k] * slope;
}
