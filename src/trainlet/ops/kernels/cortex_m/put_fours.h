/* Sums that become mantissas. */
#ifndef TRAINLET_PUT_FOURS_H
#define TRAINLET_PUT_FOURS_H
#include "dsp.h"
#include <stdint.h>
/* `count` times four sums, `next` words from each other, rounded to mantissas `step` bytes from
 * each other */
static ONE_COPY void put_fours(void *to, int step, const int32_t *sum, int next, int count,
                               int after, int bytes) {
  int32_t half = (1 << after) >> 1;
  int8_t *at = to;
  if (bytes == 2)
    for (; count > 0; count--, at += step, sum += next) {
      uint32_t a = (uint32_t)((sum[0] + half) >> after), b = (uint32_t)((sum[1] + half) >> after);
      uint32_t c = (uint32_t)((sum[2] + half) >> after), d = (uint32_t)((sum[3] + half) >> after);
      store_bytes(at, pkhbt(a, b)), store_bytes(at + 4, pkhbt(c, d));
    }
  else
    for (; count > 0; count--, at += step, sum += next)
      for (int k = 0; k < 4; k++) at[k] = (int8_t)((sum[k] + half) >> after);
}
#endif
