#include "kernel.h"
#include "sqrt.h"
/* RMSprop's step for a learning rate of 1 */
KERNEL void k_rmsprop_direction(float *y, const float *g, const float *v, int size, float eps) {
  for (int k = 0; k < size; k++) y[k] = g[k] / (sqrt_f32(v[k]) + eps);
}
