#include "kernel.h"
/* the nearest integer of x / scale, halves away from zero, + zero, clamped; NaN is the lowest */
KERNEL void k_quantize(int8_t *restrict y, const float *x, int size, float scale, int zero,
                       int low, int high) {
  for (int k = 0; k < size; k++) {
    float v = x[k] / scale;
    v = v > -1000.0f ? v : -1000.0f;
    v = v < 1000.0f ? v : 1000.0f;
    int whole = (int)v;
    float rest = v - (float)whole;
    whole += zero + (rest >= 0.5f) - (rest <= -0.5f);
    whole = whole < low ? low : whole;
    y[k] = (int8_t)(whole > high ? high : whole);
  }
}
