#include "kernel.h"
#include "clip.h"
KERNEL void k_clip(float *y, const float *x, int size, float low, float high) {
  for (int k = 0; k < size; k++) y[k] = clip_f32(x[k], low, high);
}
