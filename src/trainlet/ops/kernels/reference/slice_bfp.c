#include "bfp.h"
#include "kernel.h"
/* of each row of g, `picks` runs of `run` elements, the first at `start`, then every `step` */
KERNEL void k_slice_bfp(void *restrict y, const void *g, const int32_t *e, int rows, int row,
                        int start, int picks, int step, int run, int bytes) {
  int at = 0;
  (void)e;
  for (int r = 0; r < rows; r++)
    for (int p = 0; p < picks; p++)
      for (int k = 0; k < run; k++)
        set_mantissa(y, at++, mantissa(g, r * row + start + p * step + k, bytes), bytes);
}
