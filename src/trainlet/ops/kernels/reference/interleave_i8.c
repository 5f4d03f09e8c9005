#include "kernel.h"
/* rows of N runs of R elements: the first A of a row are in a, the other B in b; run k of the result
 * is run index[k] of these */
KERNEL void k_interleave_i8(int8_t *restrict y, const int8_t *a, const int8_t *b, const int32_t *index, int rows,
                     int A, int B, int R) {
  for (int r = 0; r < rows; r++, a += A * R, b += B * R)
    for (int k = 0; k < A + B; k++) {
      const int8_t *from = index[k] < A ? a + index[k] * R : b + (index[k] - A) * R;
      for (int c = 0; c < R; c++) *y++ = from[c];
    }
}
