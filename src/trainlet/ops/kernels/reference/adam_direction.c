#include "kernel.h"
#include "sqrt.h"
/* Adam's step for a learning rate of 1 */
KERNEL void k_adam_direction(float *y, const float *m, const float *v, const float *power1,
                             const float *power2, int size, float eps) {
  float correction = 1.0f - *power1, scale = sqrt_f32(1.0f - *power2);
  for (int k = 0; k < size; k++) y[k] = m[k] / correction / (sqrt_f32(v[k]) / scale + eps);
}
