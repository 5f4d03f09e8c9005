#include "broadcast.h"
#include "kernel.h"
/* y = the product of g (dense) and x, summed over what broadcasting y would repeat */
KERNEL void k_mul_sum(float *restrict y, const float *g, const float *x, int size, BROADCAST_TWO) {
  for (int k = 0; k < size; k++) y[k] = 0.0f;
  BROADCAST_LOOP_TWO(y[j] += g[n] * x[i])
}
