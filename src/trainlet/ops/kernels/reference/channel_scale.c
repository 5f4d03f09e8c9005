#include "kernel.h"
/* s[O] = q[0,O] / 2^31 * 2^q[1,O] * factor, whose parts are two floats */
KERNEL void k_channel_scale(float *restrict s, const int32_t *q, int O, float factor, float rest) {
  for (int o = 0; o < O; o++) {
    double power = 1.0;
    for (int shift = q[O + o] - 31; shift < 0; shift++) power *= 0.5;
    s[o] = (float)(q[o] * power * ((double)factor + (double)rest));
  }
}
