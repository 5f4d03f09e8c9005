#include "kernel.h"
KERNEL void k_clear(float *total, int size) {
  for (int k = 0; k < size; k++) total[k] = 0.0f;
}
