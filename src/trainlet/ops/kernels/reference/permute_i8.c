#include "kernel.h"
/* y (dense, d0 x d1 x d2 x d3) = x read with the given strides */
KERNEL void k_permute_i8(int8_t *restrict y, const int8_t *x, int d0, int d1, int d2, int d3,
                         int i0, int i1, int i2, int i3) {
  for (int a = 0; a < d0; a++)
    for (int b = 0; b < d1; b++)
      for (int c = 0; c < d2; c++)
        for (int d = 0; d < d3; d++) *y++ = x[a * i0 + b * i1 + c * i2 + d * i3];
}
