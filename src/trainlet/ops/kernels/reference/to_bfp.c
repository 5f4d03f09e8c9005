#include "bfp.h"
#include "kernel.h"
/* the nearest mantissa, halves up; NaN becomes zero */
KERNEL void k_to_bfp(void *restrict g, const float *x, const int32_t *e, int size, int limit,
                     int bytes) {
  float scale = power_of_two(-*e), most = (float)limit;
  for (int k = 0; k < size; k++) {
    float v = x[k] * scale;
    v = v != v ? 0.0f : v > most ? most : v < -most ? -most : v;
    v += 0.5f;
    int32_t whole = (int32_t)v;
    set_mantissa(g, k, whole - ((float)whole > v), bytes);
  }
}
