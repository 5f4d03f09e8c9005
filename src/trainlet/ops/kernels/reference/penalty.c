#include "kernel.h"
/* factor * sum (w - anchor)^2; without an anchor it is 0 */
KERNEL void k_penalty(float *y, const float *w, const float *anchor, int size, float factor) {
  float total = 0.0f;
  for (int k = 0; k < size; k++) {
    const float apart = anchor ? w[k] - anchor[k] : w[k];
    total += apart * apart;
  }
  *y = factor * total;
}
