#include "broadcast.h"
#include "dsp.h"
#include "kernel.h"
#include "rescale_fast.h"
/* what each byte becomes at the common scale */
static ONE_COPY void tabulate(int32_t table[256], int zero, int multiplier, int shift) {
  for (int k = 0; k < 256; k++)
    table[k] = rescale(((int8_t)k - zero) * (1 << 20), multiplier, shift);
}

/* as the reference kernel: operands of one byte have 256 values, so their scaling is looked up */
KERNEL ONE_COPY void k_add_i8(int8_t *restrict y, const int8_t *p, const int8_t *q,
                              BROADCAST_TWO, int MP, int SP, int MQ, int SQ, int MY, int SY,
                              int ZP, int ZQ, int ZY, int low, int high) {
  if (SP > 0 || SQ > 0 || SY >= 0 || MY < 1 << 30) {
    BROADCAST_LOOP_TWO({
      int32_t s = rescale((p[i] - ZP) * (1 << 20), MP, SP);
      s += rescale((q[j] - ZQ) * (1 << 20), MQ, SQ);
      y[n] = clamp_i8(rescale(s, MY, SY), ZY, low, high);
    })
    return;
  }
  int32_t of_p[256], of_q[256], twice = (int32_t)((uint32_t)MY << 1);
  tabulate(of_p, ZP, MP, SP);
  tabulate(of_q, ZQ, MQ, SQ);
  if (d0 * d1 * d2 == 1 && i3 == 1 && j3 == 1) {
    const uint8_t *r = (const uint8_t *)p, *s = (const uint8_t *)q;
    for (int n = 0; n < d3; n++) {
      int32_t sum = of_p[r[n]] + of_q[s[n]];
      y[n] = rescale_fast(sum, twice, -SY, ZY);
    }
  } else {
    BROADCAST_LOOP_TWO({
      int32_t sum = of_p[(uint8_t)p[i]] + of_q[(uint8_t)q[j]];
      y[n] = rescale_fast(sum, twice, -SY, ZY);
    })
  }
  clamp_bytes(y, d0 * d1 * d2 * d3, low, high);
}
