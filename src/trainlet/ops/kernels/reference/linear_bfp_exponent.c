#include "bfp.h"
#include "linear_bfp.h"
#include "kernel.h"
/* the exponent of linear_bfp_dx in mantissas of one byte: its sums, made once more */
KERNEL void k_linear_bfp_exponent(
    int32_t *restrict out, const void *g, const int8_t *w, const int16_t *r, const int32_t *e,
    const int32_t *gain, const int32_t *bound, int R, int O, int I, int bytes) {
  Shifts shifts = layer_shifts(*e, r[O], *gain, *bound, *bound);
  int32_t top = linear_bfp(0, g, w, r, shifts, R, O, I, bytes);
  *out = exponent_of_sum(top, *e, r[O], shifts);
}
