#include "kernel.h"
#include "tanh.h"
/* x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
KERNEL void k_gelu_tanh(float *y, const float *x, int size) {
  for (int k = 0; k < size; k++) {
    float v = x[k];
    y[k] = 0.5f * v * (1.0f + tanh_f32(0.797884561f * (v + 0.044715f * v * v * v)));
  }
}
