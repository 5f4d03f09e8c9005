#include "halves.h"
#include "kernel.h"
#include "weight_gain.h"
enum { ROWS_IN_16_BITS = 511 }; /* of magnitudes up to 128 */

/* sums of |w| of each of four channels over rows C bytes apart; returns the largest */
static ONE_COPY int32_t largest_column(const int8_t *w, int C, int rows) {
  int32_t s[4] = {0}, top = 0;
  while (rows > 0) {
    int some = rows < ROWS_IN_16_BITS ? rows : ROWS_IN_16_BITS;
    uint32_t even = 0, odd = 0;
    for (int k = 0; k < some; k++, w += C) {
      uint32_t sizes = magnitude_bytes(load_bytes(w));
      even += sizes & 0x00FF00FFu, odd += sizes >> 8 & 0x00FF00FFu;
    }
    s[0] += (int32_t)(even & 0xFFFFu), s[1] += (int32_t)(odd & 0xFFFFu);
    s[2] += (int32_t)(even >> 16), s[3] += (int32_t)(odd >> 16);
    rows -= some;
  }
  for (int k = 0; k < 4; k++) top = s[k] > top ? s[k] : top;
  return top;
}

/* as the reference kernel; 1x1 four channels at a time */
KERNEL ONE_COPY void k_weight_gain(WEIGHT_GAIN_PARAMETERS) {
  if (KH * KW * SH * SW > 1 || C < 4) {
    weight_gain(WEIGHT_GAIN_ARGUMENTS);
    return;
  }
  int32_t most = 1;
  for (int group = 0; group < G; group++)
    for (int quad = 0; quad < C; quad += 4) {
      int c = quad + 4 <= C ? quad : C - 4;
      most = larger(most, largest_column(w + group * (O / G) * C + c, C, O / G));
    }
  *gain = most;
}
