#include "kernel.h"
#include "requantize.h"
/* gemmlowp's fixed point: exp of a <= 0 with 5 integer bits, with none */
static inline int32_t exp_fixed(int32_t a) {
  static const int32_t powers[7] = {1672461947, 1302514674, 790015084, 290630308,
                                    39332535,   720401,     242}; /* exp(-1/4), exp(-1/2), ... */
  if (a == 0) return INT32_MAX;
  int32_t quarter = (a & ((1 << 24) - 1)) - (1 << 24);
  int32_t rest = quarter - a, x = quarter * 32 + (1 << 28);
  int32_t x2 = high_mul(x, x), x3 = high_mul(x2, x), x4 = high_mul(x2, x2);
  int32_t series = divide_pot(high_mul(divide_pot(x4, 2) + x3, 715827883) + x2, 1);
  int32_t y = 1895147668 + high_mul(1895147668, x + series);
  for (int k = 0; k < 7; k++)
    if (rest >> (24 + k) & 1) y = high_mul(y, powers[k]);
  return y;
}
static inline int32_t saturated(int64_t x) {
  return x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : (int32_t)x;
}
/* y = softmax of rows of C, with scale 1/256 and zero point -128; differences below `least` do
 * not count */
KERNEL void k_softmax_i8(int8_t *restrict y, const int8_t *x, int R, int C, int multiplier,
                         int shift, int least) {
  for (int r = 0; r < R; r++, x += C, y += C) {
    int top = x[0];
    for (int c = 1; c < C; c++) top = x[c] > top ? x[c] : top;
    int32_t total = 0;
    for (int c = 0; c < C; c++)
      if (x[c] - top >= least)
        total += divide_pot(exp_fixed(rescale(x[c] - top, multiplier, shift)), 12);
    int headroom = 0;
    while (!((uint32_t)total << headroom & 0x80000000u)) headroom++;
    int32_t half = (int32_t)((uint32_t)total << headroom >> 1);
    int32_t scale = 1515870810 + high_mul(half, -1010580540);
    for (int k = 0; k < 3; k++)
      scale += saturated((int64_t)high_mul(scale, (1 << 29) - high_mul(half, scale)) * 4);
    scale = saturated((int64_t)scale * 2);
    for (int c = 0; c < C; c++) {
      y[c] = -128;
      if (x[c] - top < least) continue;
      int32_t e = exp_fixed(rescale(x[c] - top, multiplier, shift));
      y[c] = clamp_i8(divide_pot(high_mul(scale, e), 35 - headroom), -128, -128, 127);
    }
  }
}
