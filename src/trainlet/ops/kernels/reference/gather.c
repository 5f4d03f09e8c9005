#include "gather.h"
#include "kernel.h"
/* the slices of `from` along one or two dimensions that the index names */
KERNEL void k_gather(float *restrict to, const float *from, const int32_t *index, GATHER_SIZES) {
  GATHER_LOOP(to[y] = from[x])
}
