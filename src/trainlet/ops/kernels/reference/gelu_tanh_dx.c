#include "kernel.h"
#include "tanh.h"
KERNEL void k_gelu_tanh_dx(float *dx, const float *g, const float *x, int size) {
  for (int k = 0; k < size; k++) {
    float v = x[k], t = tanh_f32(0.797884561f * (v + 0.044715f * v * v * v));
    float inner = 0.797884561f * (1.0f + 0.134145f * v * v);
    dx[k] = g[k] * (0.5f * (1.0f + t) + 0.5f * v * (1.0f - t * t) * inner);
  }
}
