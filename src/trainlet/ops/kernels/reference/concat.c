#include "kernel.h"
/* rows of A elements of a beside rows of B elements of b */
KERNEL void k_concat(float *restrict y, const float *a, const float *b, int rows, int A, int B) {
  for (int r = 0; r < rows; r++) {
    for (int k = 0; k < A; k++) *y++ = *a++;
    for (int k = 0; k < B; k++) *y++ = *b++;
  }
}
