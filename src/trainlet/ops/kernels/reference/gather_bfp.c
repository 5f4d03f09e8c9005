#include "bfp.h"
#include "gather.h"
#include "kernel.h"
/* the slices of `from` along one or two dimensions that the index names */
KERNEL void k_gather_bfp(void *restrict to, const void *from, const int32_t *index,
                         const int32_t *e, GATHER_SIZES, int bytes) {
  (void)e;
  GATHER_LOOP(set_mantissa(to, y, mantissa(from, x, bytes), bytes))
}
