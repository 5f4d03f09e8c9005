#include "bfp.h"
#include "kernel.h"
KERNEL void k_from_bfp(float *restrict x, const void *g, const int32_t *e, int size, int bytes) {
  float scale = power_of_two(*e);
  for (int k = 0; k < size; k++) x[k] = (float)mantissa(g, k, bytes) * scale;
}
