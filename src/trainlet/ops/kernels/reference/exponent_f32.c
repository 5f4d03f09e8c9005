#include "bfp.h"
#include "kernel.h"
/* the exponent with which the largest |x| fills mantissas of so many bits */
KERNEL void k_exponent_f32(int32_t *restrict e, const float *x, int size, int bits) {
  int32_t top = 0;
  for (int k = 0; k < size; k++) {
    union { float value; int32_t bits; } v = {x[k]};
    int32_t m = v.bits & 0x7fffffff;
    if (m > top) top = m;
  }
  top = (top >> 23) - 126;
  *e = (top < -100 ? -100 : top) - bits + 1;
}
