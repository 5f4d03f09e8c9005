#include "dsp.h"
#include "kernel.h"
/* 0 instead of a negative number: less one, the integers of these are the lowest, up to that of
 * -infinity; what is no number, and -0, stays */
static inline uint32_t not_negative(uint32_t bits) {
  return unless_negative(bits, qadd(bits - 1, 0x00800000u));
}

static ONE_COPY void rectify(uint32_t *to, const uint32_t *from, int size) {
  for (const uint32_t *end = from + (size & ~3); from != end;) {
    uint32_t a, b;
    LOAD_PAIR(a, b, from);
    STORE_PAIR(to, not_negative(a), not_negative(b));
    LOAD_PAIR(a, b, from);
    STORE_PAIR(to, not_negative(a), not_negative(b));
  }
  for (int k = 0; k < (size & 3); k++) to[k] = not_negative(from[k]);
}

/* as the reference kernel, four elements at a time */
KERNEL void k_relu(float *y, const float *x, int size) {
  rectify((uint32_t *)(void *)y, (const uint32_t *)(const void *)x, size);
}
