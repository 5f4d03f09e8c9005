#include "kernel.h"
KERNEL void k_bce_dz(float *dz, const float *p, const float *target, int size) {
  for (int k = 0; k < size; k++) {
    float spread = p[k] * (1.0f - p[k]);
    dz[k] = (p[k] - target[k]) / (spread > 1e-12f ? spread : 1e-12f) / (float)size;
  }
}
