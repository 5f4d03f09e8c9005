#include "broadcast.h"
#include "kernel.h"
/* y = the largest of x (dense) over what broadcasting y would repeat; NaN if there is any */
KERNEL void k_max_to(float *restrict y, const float *x, int size, BROADCAST_ONE) {
  for (int k = 0; k < size; k++) y[k] = -1.0f / 0.0f;
  BROADCAST_LOOP_ONE(y[i] = y[i] != y[i] || x[n] <= y[i] ? y[i] : x[n])
}
