#include "hard_sigmoid.h"
#include "kernel.h"
KERNEL void k_hard_sigmoid(float *y, const float *x, int size) {
  for (int k = 0; k < size; k++) y[k] = hard_sigmoid_f32(x[k]);
}
