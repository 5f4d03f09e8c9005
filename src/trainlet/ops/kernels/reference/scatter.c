#include "gather.h"
#include "kernel.h"
/* the reverse of gather: each element of g is added where it came from */
KERNEL void k_scatter(float *restrict to, const float *g, const int32_t *index, int size,
                      GATHER_SIZES) {
  for (int k = 0; k < size; k++) to[k] = 0.0f;
  GATHER_LOOP(to[x] += g[y])
}
