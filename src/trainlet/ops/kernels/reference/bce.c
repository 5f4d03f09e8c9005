#include "kernel.h"
#include "log.h"
static inline float clamped_log(float p) {
  float value = log_f32(p);
  return value < -100.0f ? -100.0f : value;
}
/* mean of -(t log p + (1 - t) log(1 - p)), logarithms clamped at -100 */
KERNEL void k_bce(float *loss, const float *p, const float *target, int size) {
  float total = 0.0f;
  for (int k = 0; k < size; k++)
    total -= target[k] * clamped_log(p[k]) + (1.0f - target[k]) * clamped_log(1.0f - p[k]);
  *loss = total / (float)size;
}
