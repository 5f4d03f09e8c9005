#include "kernel.h"
#include "scale.h"
KERNEL void k_scale(float *y, const float *x, int size, float factor) {
  for (int k = 0; k < size; k++) y[k] = scale_f32(x[k], factor);
}
