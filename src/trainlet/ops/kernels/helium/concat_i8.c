#include "kernel.h"
#include "mve.h"
/* as the reference kernel, sixteen bytes at a time */
KERNEL ONE_COPY void k_concat_i8(int8_t *restrict y, const int8_t *a, const int8_t *b, int rows,
                                 int A, int B) {
  for (int r = 0; r < rows; r++, a += A, b += B) y = copy_run(copy_run(y, a, A), b, B);
}
