#include "kernel.h"
#include "sigmoid.h"
KERNEL void k_sigmoid(float *y, const float *x, int size) {
  for (int k = 0; k < size; k++) y[k] = sigmoid_f32(x[k]);
}
