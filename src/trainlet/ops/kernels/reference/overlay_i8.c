#include "kernel.h"
/* rows of A runs of R elements: those of whole, but run index[k] is run k of part's B */
KERNEL void k_overlay_i8(int8_t *restrict y, const int8_t *whole, const int8_t *part, const int32_t *index, int rows,
                  int A, int B, int R) {
  for (int k = 0; k < rows * A * R; k++) y[k] = whole[k];
  for (int r = 0; r < rows; r++, y += A * R)
    for (int k = 0; k < B; k++)
      for (int c = 0; c < R; c++) y[index[k] * R + c] = *part++;
}
