/* Sums that become mantissas. */
#ifndef TRAINLET_PUT_FOURS_H
#define TRAINLET_PUT_FOURS_H
#include "dsp.h"
#include <stdint.h>
/* what a sum begins with so that dropping `after` bits of it rounds halves up */
static inline int32_t half_of(int after) { return (1 << after) >> 1; }

/* `count` times four sums, `next` words from each other, less their last bits, as mantissas `step`
 * bytes from each other */
static ONE_COPY void put_fours(void *to, int step, const int32_t *sum, int next, int count,
                               int after, int bytes) {
  int8_t *at = to;
  if (bytes == 2)
    for (; count > 0; count--, at += step, sum += next - 4) {
      int32_t a, b, c, d;
      LOAD_PAIR(a, b, sum);
      LOAD_PAIR(c, d, sum);
      store_bytes(at, pkhbt((uint32_t)(a >> after), (uint32_t)(b >> after)));
      store_bytes(at + 4, pkhbt((uint32_t)(c >> after), (uint32_t)(d >> after)));
    }
  else
    for (; count > 0; count--, at += step, sum += next)
      for (int k = 0; k < 4; k++) at[k] = (int8_t)(sum[k] >> after);
}
#endif
