#include "kernel.h"
KERNEL void k_mse(float *loss, const float *z, const float *target, int size) {
  float total = 0.0f;
  for (int k = 0; k < size; k++) total += (z[k] - target[k]) * (z[k] - target[k]);
  *loss = total / (float)size;
}
