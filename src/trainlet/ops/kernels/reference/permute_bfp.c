#include "bfp.h"
#include "kernel.h"
/* y (dense, d0 x d1 x d2 x d3) = g read with the given strides */
KERNEL void k_permute_bfp(void *restrict y, const void *g, const int32_t *e, int d0, int d1,
                          int d2, int d3, int i0, int i1, int i2, int i3, int bytes) {
  int k = 0;
  (void)e;
  for (int a = 0; a < d0; a++)
    for (int b = 0; b < d1; b++)
      for (int c = 0; c < d2; c++)
        for (int d = 0; d < d3; d++)
          set_mantissa(y, k++, mantissa(g, a * i0 + b * i1 + c * i2 + d * i3, bytes), bytes);
}
