#include "kernel.h"
/* a bias: its pretrained value and what it has moved since, saturating */
KERNEL void k_add_delta(int32_t *b, const int32_t *base, const int16_t *delta, int size) {
  for (int k = 0; k < size; k++) {
    int64_t v = (int64_t)base[k] + delta[k];
    b[k] = (int32_t)(v > 2147483647 ? 2147483647 : v < -2147483647 ? -2147483647 : v);
  }
}
