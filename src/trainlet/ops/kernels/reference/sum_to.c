#include "broadcast.h"
#include "kernel.h"
/* y = factor * x (dense), summed over what broadcasting y would repeat */
KERNEL void k_sum_to(float *restrict y, const float *x, int size, float factor, BROADCAST_ONE) {
  for (int k = 0; k < size; k++) y[k] = 0.0f;
  BROADCAST_LOOP_ONE(y[i] += x[n])
  for (int k = 0; k < size; k++) y[k] *= factor;
}
