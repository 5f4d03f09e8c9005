#include "kernel.h"
#include "relu.h"
KERNEL void k_relu(float *y, const float *x, int size) {
  for (int k = 0; k < size; k++) y[k] = relu_f32(x[k]);
}
