#include "kernel.h"
#include "requantize.h"
/* p q, rescaled to bytes */
KERNEL void k_mul_i16_i8(int8_t *restrict y, const int16_t *p, const int16_t *q, int size,
                         int multiplier, int shift) {
  for (int k = 0; k < size; k++)
    y[k] = clamp_i8(rescale((int32_t)p[k] * q[k], multiplier, shift), 0, -128, 127);
}
