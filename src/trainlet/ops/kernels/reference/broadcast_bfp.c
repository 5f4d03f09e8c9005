#include "bfp.h"
#include "broadcast.h"
#include "kernel.h"
/* y (dense) = g * factor * 2^shift, repeated */
KERNEL void k_broadcast_bfp(void *restrict y, const void *g, const int32_t *e, const int32_t *out,
                            int factor, int shift, BROADCAST_ONE, int bytes) {
  int drop = *out - *e - shift;
  BROADCAST_LOOP_ONE(
      set_mantissa(y, n, shift_even(mantissa(g, i, bytes) * factor, drop), bytes))
}
