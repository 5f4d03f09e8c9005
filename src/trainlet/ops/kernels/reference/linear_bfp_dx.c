#include "bfp.h"
#include "linear_bfp.h"
#include "kernel.h"
/* dx[R,I] = (g[R,O] * r[O]) w[O,I] */
KERNEL void k_linear_bfp_dx(
    void *restrict dx, const void *g, const int8_t *w, const int16_t *r, const int32_t *e,
    const int32_t *gain, const int32_t *bound, const int32_t *out, int R, int O, int I, int bytes) {
  Shifts shifts = layer_shifts(*e, r[O], *gain, *bound, *out);
  (void)linear_bfp(dx, g, w, r, shifts, R, O, I, bytes);
}
