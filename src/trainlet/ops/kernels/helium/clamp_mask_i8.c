#include "kernel.h"
#include "mve.h"
/* which of sixteen bytes lie strictly inside the clamp; no clobber can name the predicate */
INLINED uint32_t bytes_inside(int8x16_t y, int low, int high) {
  uint32_t bits, before;
  __asm__("vmrs %1, p0\n\tvpt.s8 gt, %q2, %3\n\tvcmpt.s8 lt, %q2, %4\n\tvmrs %0, p0\n\tvmsr p0, %1"
          : "=&r"(bits), "=&r"(before) : "w"(y), "r"(low), "r"(high));
  return bits;
}

/* as the reference kernel: a predicate of sixteen bytes is their mask */
KERNEL ONE_COPY void k_clamp_mask_i8(uint8_t *restrict mask, const int8_t *y, int size, int low,
                                     int high) {
  for (; size >= 16; size -= 16, y += 16, mask += 2) {
    uint32_t bits = bytes_inside(vldrbq_s8(y), low, high);
    mask[0] = (uint8_t)bits, mask[1] = (uint8_t)(bits >> 8);
  }
  if (size <= 0) return;
  uint32_t bits = bytes_inside(vldrbq_z_s8(y, vctp8q((uint32_t)size)), low, high);
  bits &= (1u << size) - 1;
  mask[0] = (uint8_t)bits;
  if (size > 8) mask[1] = (uint8_t)(bits >> 8);
}
