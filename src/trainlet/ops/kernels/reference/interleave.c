#include "kernel.h"
/* rows of N runs of R elements: the first A of a row are in a, the other B in b; run k of the result
 * is run index[k] of these */
KERNEL void k_interleave(float *restrict y, const float *a, const float *b, const int32_t *index, int rows,
                     int A, int B, int R) {
  for (int r = 0; r < rows; r++, a += A * R, b += B * R)
    for (int k = 0; k < A + B; k++) {
      const float *from = index[k] < A ? a + index[k] * R : b + (index[k] - A) * R;
      for (int c = 0; c < R; c++) *y++ = from[c];
    }
}
