#include "exp.h"
#include "kernel.h"
#include "log.h"
/* mean of max(z, 0) - z t + log(1 + exp(-|z|)) */
KERNEL void k_bce_with_logits(float *loss, const float *z, const float *target, int size) {
  float total = 0.0f;
  for (int k = 0; k < size; k++) {
    float a = z[k] > 0.0f ? z[k] : -z[k];
    total += (z[k] > 0.0f ? z[k] : 0.0f) - z[k] * target[k] + log_f32(1.0f + exp_f32(-a));
  }
  *loss = total / (float)size;
}
