#include "kernel.h"
/* rows of A elements of a beside rows of B elements of b */
KERNEL void k_concat_i8(int8_t *restrict y, const int8_t *a, const int8_t *b, int rows, int A,
                        int B) {
  for (int r = 0; r < rows; r++) {
    for (int k = 0; k < A; k++) *y++ = *a++;
    for (int k = 0; k < B; k++) *y++ = *b++;
  }
}
