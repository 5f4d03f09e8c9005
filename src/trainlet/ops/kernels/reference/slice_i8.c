#include "kernel.h"
/* of each row of x, `picks` runs of `run` elements, the first at `start`, then every `step` */
KERNEL void k_slice_i8(int8_t *restrict y, const int8_t *x, int rows, int row, int start,
                       int picks, int step, int run) {
  for (int r = 0; r < rows; r++)
    for (int p = 0; p < picks; p++)
      for (int k = 0; k < run; k++) *y++ = x[r * row + start + p * step + k];
}
