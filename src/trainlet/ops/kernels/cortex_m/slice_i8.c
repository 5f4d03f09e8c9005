#include "dsp.h"
#include "kernel.h"
/* as the reference kernel, four bytes at a time */
KERNEL ONE_COPY void k_slice_i8(int8_t *restrict y, const int8_t *x, int rows, int row,
                                int start, int picks, int step, int run) {
  for (int r = 0; r < rows; r++)
    for (int p = 0; p < picks; p++) y = copy_bytes(y, x + r * row + start + p * step, run);
}
