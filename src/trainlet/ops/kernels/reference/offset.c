#include "kernel.h"
#include "offset.h"
KERNEL void k_offset(float *y, const float *x, int size, float term) {
  for (int k = 0; k < size; k++) y[k] = offset_f32(x[k], term);
}
