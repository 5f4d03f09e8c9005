#include "broadcast.h"
#include "kernel.h"
#include "requantize.h"
/* y = (p - ZP) * (q - ZQ), rescaled and clamped */
KERNEL void k_mul_i8(int8_t *restrict y, const int8_t *p, const int8_t *q, BROADCAST_TWO,
                     int multiplier, int shift, int ZP, int ZQ, int ZY, int low, int high) {
  BROADCAST_LOOP_TWO({
    int32_t product = (p[i] - ZP) * (q[j] - ZQ);
    y[n] = clamp_i8(rescale(product, multiplier, shift), ZY, low, high);
  })
}
