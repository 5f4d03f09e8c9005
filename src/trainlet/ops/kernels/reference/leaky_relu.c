#include "kernel.h"
#include "leaky_relu.h"
KERNEL void k_leaky_relu(float *y, const float *x, int size, float slope) {
  for (int k = 0; k < size; k++) y[k] = leaky_relu_f32(x[k], slope);
}
