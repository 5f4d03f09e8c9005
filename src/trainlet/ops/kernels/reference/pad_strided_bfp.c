#include "bfp.h"
#include "kernel.h"
/* the reverse of slice: runs of g go to their places, zero elsewhere */
KERNEL void k_pad_strided_bfp(void *restrict y, const void *g, const int32_t *e, int rows, int row,
                         int start, int picks, int step, int run, int bytes) {
  int at = 0;
  (void)e;
  for (int k = 0; k < rows * row; k++) set_mantissa(y, k, 0, bytes);
  for (int r = 0; r < rows; r++)
    for (int p = 0; p < picks; p++)
      for (int k = 0; k < run; k++)
        set_mantissa(y, r * row + start + p * step + k, mantissa(g, at++, bytes), bytes);
}
