#include "broadcast.h"
#include "dsp.h"
#include "kernel.h"
#include "rescale_fast.h"
/* where the sums are rescaled to, and a byte that becomes as much */
typedef struct { int32_t twice, unit, zero; } Target;

/* what bytes from `first` up to `end` become at the common scale, and `more`; all of them are less
 * than the zero point, or none is: then halves are rounded up, else down if anything is shifted */
static ONE_COPY void tabulate(int32_t *table, int first, int end, int zero, int multiplier,
                              int right, int32_t more) {
  int32_t twice = doubled(multiplier), x = (first - zero) * (1 << 20);
  int32_t half = ((1 << right) >> 1) - (right > 0 && first < zero);
  for (int32_t *to = table + first; to < table + end; to++, x += 1 << 20)
    *to = (smmlar(x, twice, x + half) >> right) + more;
}

/* y = h + q, of which h is only halved for the common scale, and q looked up */
static ONE_COPY void add_looked_up(int8_t *y, const int8_t *h, const int8_t *q, BROADCAST_TWO,
                                   const int32_t *table, Target to) {
  int32_t twice = to.twice, unit = to.unit, zero = to.zero;
  if (d0 * d1 * d2 == 1 && i3 == 1 && j3 == 1) {
    const int8_t *end = y + d3;
    for (const int8_t *fours = y + (d3 & -4); y != fours;) { /* HIDE keeps gcc from joining bytes */
      int32_t sum[4], half[4];
      for (int k = 0; k < 4; k++) sum[k] = *q++;
      for (int k = 0; k < 4; k++) half[k] = *h++;
      for (int k = 0; k < 4; k++) sum[k] = table[sum[k]];
      for (int k = 0; k < 4; k++) sum[k] += half[k] * (1 << 19);
      for (int k = 0; k < 4; k++) sum[k] = smmlar(sum[k], twice, sum[k]);
      for (int k = 0; k < 4; k++) sum[k] += sum[k] >> 31;
      for (int k = 0; k < 4; k++) sum[k] = smmlar(sum[k], unit, zero);
      for (int k = 0; k < 4; k++) {
        *y++ = (int8_t)ssat8(sum[k]);
        HIDE(y);
      }
    }
    while (y != end)
      *y++ = rescale_signed(table[*q++] + *h++ * (1 << 19), twice, unit, zero);
  } else {
    BROADCAST_LOOP_TWO({
      int32_t sum = table[q[j]] + h[i] * (1 << 19);
      y[n] = rescale_signed(sum, twice, unit, zero);
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
  int32_t bytes[256], *table = bytes + 128;
  Target to = {(int32_t)((uint32_t)MY << 1), 1 << (32 + SY), ZY};
  if (half) {
    tabulate(table, -128, ZQ, ZQ, MQ, -SQ, -ZP * (1 << 19));
    tabulate(table, ZQ, 128, ZQ, MQ, -SQ, -ZP * (1 << 19));
    add_looked_up(y, p, q, d0, d1, d2, d3, i0, i1, i2, i3, j0, j1, j2, j3, table, to);
  } else {
    tabulate(table, -128, ZP, ZP, MP, -SP, -ZQ * (1 << 19));
    tabulate(table, ZP, 128, ZP, MP, -SP, -ZQ * (1 << 19));
    add_looked_up(y, q, p, d0, d1, d2, d3, j0, j1, j2, j3, i0, i1, i2, i3, table, to);
  }
  clamp_bytes(y, d0 * d1 * d2 * d3, low, high);
}
