#include "gelu_tanh.h"
#include "kernel.h"
KERNEL void k_gelu_tanh(float *y, const float *x, int size) {
  for (int k = 0; k < size; k++) y[k] = gelu_tanh_f32(x[k]);
}
