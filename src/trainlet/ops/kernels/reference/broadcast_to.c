#include "broadcast.h"
#include "kernel.h"
/* y (dense) = factor * x, repeated */
KERNEL void k_broadcast_to(float *restrict y, const float *x, float factor, BROADCAST_ONE) {
  BROADCAST_LOOP_ONE(y[n] = factor * x[i])
}
