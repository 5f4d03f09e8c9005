#include "kernel.h"
#include "relu6.h"
KERNEL void k_relu6(float *y, const float *x, int size) {
  for (int k = 0; k < size; k++) y[k] = relu6_f32(x[k]);
}
