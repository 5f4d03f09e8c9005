#include "broadcast.h"
#include "dsp.h"
#include "kernel.h"
#include "rescale_fast.h"
/* as the reference kernel, with the short way to rescale where the shift is to the right */
KERNEL ONE_COPY void k_mul_i8(int8_t *restrict y, const int8_t *p, const int8_t *q,
                              BROADCAST_TWO, int multiplier, int shift, int ZP, int ZQ, int ZY,
                              int low, int high) {
  if (shift > -2 || multiplier < 1 << 30) {
    BROADCAST_LOOP_TWO({
      int32_t product = (p[i] - ZP) * (q[j] - ZQ);
      y[n] = clamp_i8(rescale(product, multiplier, shift), ZY, low, high);
    })
    return;
  }
  int32_t twice = (int32_t)((uint32_t)multiplier << 1), unit = 1 << (32 + shift);
  BROADCAST_LOOP_TWO({
    int32_t product = (p[i] - ZP) * (q[j] - ZQ);
    y[n] = rescale_signed(product, twice, unit, ZY);
  })
  clamp_bytes(y, d0 * d1 * d2 * d3, low, high);
}
