#include "dsp.h"
#include "kernel.h"
/* one bit for each of eight elements with least <= element <= most, four in a word */
static inline uint8_t bits_inside(uint32_t first, uint32_t second, uint32_t least,
                                  uint32_t most) {
  uint32_t low = if_not_below(first, least, if_not_below(most, first, 0x08040201u));
  uint32_t high = if_not_below(second, least, if_not_below(most, second, 0x80402010u));
  return (uint8_t)((low | high) * 0x01010101u >> 24);
}

/* as the reference kernel, eight elements at a time */
KERNEL ONE_COPY void k_clamp_mask_i8(uint8_t *restrict mask, const int8_t *y, int size, int low,
                                     int high) {
  int none = low > 126 || high < -127;
  uint32_t least = ((uint32_t)(none ? 1 : low + 1) & 0xFFu) * 0x01010101u;
  uint32_t most = ((uint32_t)(none ? 0 : high - 1) & 0xFFu) * 0x01010101u;
  for (; size >= 8; size -= 8, y += 8)
    *mask++ = bits_inside(load_bytes(y), load_bytes(y + 4), least, most);
  if (size > 0) {
    uint32_t first = load_some(y, size < 4 ? size : 4), second = load_some(y + 4, size - 4);
    *mask = (uint8_t)(bits_inside(first, second, least, most) & ((1u << size) - 1u));
  }
}
