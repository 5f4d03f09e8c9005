#include "dsp.h"
#include "kernel.h"
/* a bit for each of eight elements */
typedef struct { uint32_t from, beyond, low, high; } Inside;

static inline uint8_t bits_inside(uint32_t first, uint32_t second, Inside k) {
  uint32_t low = if_no_carry(first, k.from, k.beyond, k.low);
  uint32_t high = if_no_carry(second, k.from, k.beyond, k.high);
  return (uint8_t)sum_of_four(low | high);
}

/* as the reference kernel, eight elements at a time: y - low - 1 is below high - low - 1 */
KERNEL ONE_COPY void k_clamp_mask_i8(uint8_t *restrict mask, const int8_t *y, int size, int low,
                                     int high) {
  int width = high - low - 1;
  Inside k = {((uint32_t)(-1 - low) & 0xFFu) * 0x01010101u,
              ((uint32_t)(256 - width) & 0xFFu) * 0x01010101u, 0, 0};
  if (width > 0) k.low = 0x08040201u, k.high = 0x80402010u;
  for (; size >= 8; size -= 8, y += 8)
    *mask++ = bits_inside(load_bytes(y), load_bytes(y + 4), k);
  if (size > 0) {
    uint32_t first = load_some(y, size < 4 ? size : 4), second = load_some(y + 4, size - 4);
    *mask = (uint8_t)(bits_inside(first, second, k) & ((1u << size) - 1u));
  }
}
