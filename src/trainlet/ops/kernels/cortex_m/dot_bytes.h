#ifndef TRAINLET_DOT_BYTES_H
#define TRAINLET_DOT_BYTES_H
#include "dsp.h"
#include <stdint.h>
/* sum + (x - zero) * w over n bytes */
static ONE_COPY int32_t dot_bytes(int32_t sum, const int8_t *x, const int8_t *w, int n, int zero) {
  uint32_t zeros = ((uint32_t)zero & 0xFFFFu) | (uint32_t)zero << 16, u, v;
  for (; n > 0; n -= 4, x += 4, w += 4) {
    u = n < 4 ? load_some(x, n) : load_bytes(x), v = n < 4 ? load_some(w, n) : load_bytes(w);
    sum = smlad(ssub16(sxtb16(u), zeros), sxtb16(v), sum);
    sum = smlad(ssub16(sxtb16_ror8(u), zeros), sxtb16_ror8(v), sum);
  }
  return sum;
}
#endif
