#include "kernel.h"
/* bit k tells whether element k of the result lies strictly inside its clamp */
KERNEL void k_clamp_mask_i8(uint8_t *restrict mask, const int8_t *y, int size, int low, int high) {
  for (int byte = 0; byte * 8 < size; byte++) {
    unsigned bits = 0;
    for (int bit = 0; bit < 8 && byte * 8 + bit < size; bit++)
      if (y[byte * 8 + bit] > low && y[byte * 8 + bit] < high) bits |= 1u << bit;
    mask[byte] = (uint8_t)bits;
  }
}
