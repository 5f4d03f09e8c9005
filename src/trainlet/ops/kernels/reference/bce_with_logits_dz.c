#include "kernel.h"
#include "sigmoid.h"
KERNEL void k_bce_with_logits_dz(float *dz, const float *z, const float *target, int size) {
  for (int k = 0; k < size; k++) dz[k] = (sigmoid_f32(z[k]) - target[k]) / (float)size;
}
