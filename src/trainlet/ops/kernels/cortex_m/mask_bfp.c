#include "bfp.h"
#include "dsp.h"
#include "kernel.h"
/* two mantissas where bits 0 and 16 are set */
static inline void keep_two(int8_t *to, const int8_t *from, uint32_t bits) {
  uint32_t ones = bits & 0x00010001u;
  store_bytes(to, load_bytes(from) & ((ones << 16) - ones));
}

/* what four bits of a mask keep of four mantissas */
static const uint32_t KEPT[16][2] = {
    {0, 0}, {0xFFFFu, 0}, {0xFFFF0000u, 0}, {~0u, 0},
    {0, 0xFFFFu}, {0xFFFFu, 0xFFFFu}, {0xFFFF0000u, 0xFFFFu}, {~0u, 0xFFFFu},
    {0, 0xFFFF0000u}, {0xFFFFu, 0xFFFF0000u}, {0xFFFF0000u, 0xFFFF0000u}, {~0u, 0xFFFF0000u},
    {0, ~0u}, {0xFFFFu, ~0u}, {0xFFFF0000u, ~0u}, {~0u, ~0u},
};

static ONE_COPY void mask_words(uint32_t *to, const uint32_t *from, const uint8_t *mask, int n) {
  for (const uint8_t *end = mask + n; mask != end; mask++) {
    const uint32_t *low = KEPT[*mask & 15], *high = KEPT[*mask >> 4];
    uint32_t a, b;
    LOAD_PAIR(a, b, from);
    STORE_PAIR(to, a & low[0], b & low[1]);
    LOAD_PAIR(a, b, from);
    STORE_PAIR(to, a & high[0], b & high[1]);
  }
}

/* as the reference kernel, a byte of the mask at a time */
KERNEL ONE_COPY void k_mask_bfp(void *dx, const void *g, const uint8_t *mask, const int32_t *e,
                                int size, int bytes) {
  const int8_t *from = g, *end = from + (size & ~7) * bytes;
  int8_t *to = dx;
  (void)e;
  if (bytes == 2 && !(((uintptr_t)from | (uintptr_t)to) & 3)) {
    mask_words((uint32_t *)(void *)to, (const uint32_t *)g, mask, size >> 3);
    mask += size >> 3, to += end - from, from = end;
  } else if (bytes == 2)
    for (; from != end; from += 16, to += 16) {
      uint32_t bits = *mask++;
      bits |= bits << 15; /* bits 2k and 2k + 1 are now 16 apart */
      keep_two(to, from, bits), keep_two(to + 4, from + 4, bits >> 2);
      keep_two(to + 8, from + 8, bits >> 4), keep_two(to + 12, from + 12, bits >> 6);
    }
  else
    for (; from != end; from += 8, to += 8, mask++) {
      uint32_t low = (*mask & 15u) * 0x00204081u & 0x01010101u;
      uint32_t high = (*mask >> 4) * 0x00204081u & 0x01010101u;
      store_bytes(to, load_bytes(from) & ((low << 8) - low));
      store_bytes(to + 4, load_bytes(from + 4) & ((high << 8) - high));
    }
  for (int k = 0; k < (size & 7); k++)
    set_mantissa(to, k, *mask >> k & 1 ? mantissa(from, k, bytes) : 0, bytes);
}
