#include "kernel.h"
KERNEL void k_mse_dz(float *dz, const float *z, const float *target, int size) {
  for (int k = 0; k < size; k++) dz[k] = 2.0f * (z[k] - target[k]) / (float)size;
}
