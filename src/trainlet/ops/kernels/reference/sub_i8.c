#include "broadcast.h"
#include "kernel.h"
#include "requantize.h"
/* p - ZP and q - ZQ are brought to one scale with 20 more bits, their difference to the result's */
KERNEL void k_sub_i8(int8_t *restrict y, const int8_t *p, const int8_t *q, BROADCAST_TWO, int MP,
                     int SP, int MQ, int SQ, int MY, int SY, int ZP, int ZQ, int ZY, int low,
                     int high) {
  BROADCAST_LOOP_TWO({
    int32_t s = rescale((p[i] - ZP) * (1 << 20), MP, SP);
    s -= rescale((q[j] - ZQ) * (1 << 20), MQ, SQ);
    y[n] = clamp_i8(rescale(s, MY, SY), ZY, low, high);
  })
}
