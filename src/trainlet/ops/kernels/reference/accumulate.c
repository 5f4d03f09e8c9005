#include "kernel.h"
KERNEL void k_accumulate(float *total, const float *g, int size, float factor) {
  for (int k = 0; k < size; k++) total[k] += factor * g[k];
}
