#include "bfp.h"
#include "gather.h"
#include "kernel.h"
/* the reverse of gather: each mantissa, for the exponent `out`, is added where it came from */
KERNEL void k_scatter_bfp(void *restrict to, const void *g, const int32_t *index, const int32_t *e,
                          const int32_t *out, int size, GATHER_SIZES, int bytes) {
  int drop = *out - *e;
  for (int k = 0; k < size; k++) set_mantissa(to, k, 0, bytes);
  GATHER_LOOP(
      set_mantissa(to, x, mantissa(to, x, bytes) + shift_even(mantissa(g, y, bytes), drop), bytes))
}
