#include "kernel.h"
#include "silu.h"
KERNEL void k_silu(float *y, const float *x, int size) {
  for (int k = 0; k < size; k++) y[k] = silu_f32(x[k]);
}
