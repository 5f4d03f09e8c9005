#include "gather.h"
#include "kernel.h"
/* the slices of `from` along one or two dimensions that the index names */
KERNEL void k_gather_i8(int8_t *restrict to, const int8_t *from, const int32_t *index, GATHER_SIZES) {
  GATHER_LOOP(to[y] = from[x])
}
