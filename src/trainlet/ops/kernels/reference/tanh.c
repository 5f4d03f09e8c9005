#include "kernel.h"
#include "tanh.h"
KERNEL void k_tanh(float *y, const float *x, int size) {
  for (int k = 0; k < size; k++) y[k] = tanh_f32(x[k]);
}
