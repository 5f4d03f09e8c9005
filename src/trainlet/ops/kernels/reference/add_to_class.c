#include "kernel.h"
/* each row of features is added to the sum of its class */
KERNEL void k_add_to_class(float *sums, const float *features, const int32_t *labels, int batch,
                           int width) {
  for (int n = 0; n < batch; n++) {
    float *sum = sums + labels[n] * width;
    for (int k = 0; k < width; k++) sum[k] += features[n * width + k];
  }
}
