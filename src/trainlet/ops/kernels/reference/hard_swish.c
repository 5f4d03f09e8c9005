#include "hard_swish.h"
#include "kernel.h"
KERNEL void k_hard_swish(float *y, const float *x, int size) {
  for (int k = 0; k < size; k++) y[k] = hard_swish_f32(x[k]);
}
