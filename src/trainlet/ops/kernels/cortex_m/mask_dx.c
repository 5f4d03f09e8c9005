#include "dsp.h"
#include "kernel.h"
/* all bits of a word, or none, as bit k is set */
#define BIT_WORD(bits, k) ((uint32_t)((int32_t)((bits) << (31 - (k))) >> 31))

static ONE_COPY void keep_words(uint32_t *to, const uint32_t *from, const uint8_t *mask, int n) {
  for (const uint8_t *end = mask + n; mask != end; mask++) {
    uint32_t bits = *mask, a, b;
    LOAD_PAIR(a, b, from);
    STORE_PAIR(to, a & BIT_WORD(bits, 0), b & BIT_WORD(bits, 1));
    LOAD_PAIR(a, b, from);
    STORE_PAIR(to, a & BIT_WORD(bits, 2), b & BIT_WORD(bits, 3));
    LOAD_PAIR(a, b, from);
    STORE_PAIR(to, a & BIT_WORD(bits, 4), b & BIT_WORD(bits, 5));
    LOAD_PAIR(a, b, from);
    STORE_PAIR(to, a & BIT_WORD(bits, 6), b & BIT_WORD(bits, 7));
  }
}

/* as the reference kernel; a byte of the mask at a time where the slope is 1 */
KERNEL void k_mask_dx(float *dx, const float *g, const uint8_t *mask, int size, float slope) {
  int k = slope == 1.0f ? size & ~7 : 0;
  keep_words((uint32_t *)(void *)dx, (const uint32_t *)(const void *)g, mask, k >> 3);
  for (; k < size; k++) dx[k] = mask[k >> 3] >> (k & 7) & 1 ? g[k] * slope : 0.0f;
}
