#include "bfp.h"
#include "kernel.h"
/* rows of A mantissas of a beside rows of B mantissas of b */
KERNEL void k_concat_bfp(void *restrict y, const void *a, const void *b, const int32_t *e, int rows,
                         int A, int B, int bytes) {
  int at = 0;
  (void)e;
  for (int r = 0; r < rows; r++) {
    for (int k = 0; k < A; k++) set_mantissa(y, at++, mantissa(a, r * A + k, bytes), bytes);
    for (int k = 0; k < B; k++) set_mantissa(y, at++, mantissa(b, r * B + k, bytes), bytes);
  }
}
