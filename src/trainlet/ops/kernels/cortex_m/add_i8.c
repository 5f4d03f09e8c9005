#include "broadcast.h"
#include "dsp.h"
#include "kernel.h"
#include "rescale_fast.h"
/* where the sums are rescaled to, and a byte that becomes as much */
typedef struct { int32_t twice, unit, zero; } Target;

/* what each byte becomes at the common scale, and `more` */
static ONE_COPY void tabulate(int32_t table[256], int zero, int multiplier, int shift,
                              int32_t more) {
  int32_t twice = (int32_t)((uint32_t)multiplier << 1), x = (-128 - zero) * (1 << 20);
  for (int k = 128; k < 384; k++, x += 1 << 20) {
    int32_t y = smmlar(x, twice, x);
    table[k & 255] = divide_pot(y, -shift) + more;
  }
}

/* y = h + q, of which h is only halved for the common scale, and q looked up */
static ONE_COPY void add_looked_up(int8_t *y, const int8_t *h, const int8_t *q, BROADCAST_TWO,
                                   const int32_t *table, Target to) {
  if (d0 * d1 * d2 == 1 && i3 == 1 && j3 == 1) {
    for (const int8_t *end = y + d3; y != end;) {
      int32_t sum = table[(uint8_t)*q++] + *h++ * (1 << 19);
      *y++ = rescale_signed(sum, to.twice, to.unit, to.zero);
    }
  } else {
    BROADCAST_LOOP_TWO({
      int32_t sum = table[(uint8_t)q[j]] + h[i] * (1 << 19);
      y[n] = rescale_signed(sum, to.twice, to.unit, to.zero);
    })
  }
}

static inline int is_half(int multiplier, int shift) { return multiplier == 1 << 30 && !shift; }
static inline int is_less(int multiplier, int shift) { return multiplier >= 1 << 30 && shift <= 0; }

/* as the reference kernel: one operand is halved, the other's bytes have 256 values to look up */
KERNEL ONE_COPY void k_add_i8(int8_t *restrict y, const int8_t *p, const int8_t *q,
                              BROADCAST_TWO, int MP, int SP, int MQ, int SQ, int MY, int SY,
                              int ZP, int ZQ, int ZY, int low, int high) {
  int half = is_half(MP, SP) && is_less(MQ, SQ), other = is_half(MQ, SQ) && is_less(MP, SP);
  if (!(half || other) || SY > -2 || MY < 1 << 30) {
    BROADCAST_LOOP_TWO({
      int32_t s = rescale((p[i] - ZP) * (1 << 20), MP, SP);
      s += rescale((q[j] - ZQ) * (1 << 20), MQ, SQ);
      y[n] = clamp_i8(rescale(s, MY, SY), ZY, low, high);
    })
    return;
  }
  int32_t table[256];
  Target to = {(int32_t)((uint32_t)MY << 1), 1 << (32 + SY), ZY};
  if (half) {
    tabulate(table, ZQ, MQ, SQ, -ZP * (1 << 19));
    add_looked_up(y, p, q, d0, d1, d2, d3, i0, i1, i2, i3, j0, j1, j2, j3, table, to);
  } else {
    tabulate(table, ZP, MP, SP, -ZQ * (1 << 19));
    add_looked_up(y, q, p, d0, d1, d2, d3, j0, j1, j2, j3, i0, i1, i2, i3, table, to);
  }
  clamp_bytes(y, d0 * d1 * d2 * d3, low, high);
}
