#include "kernel.h"
/* bit k tells whether element k of the result lies strictly inside the clipping range */
KERNEL void k_relu6_mask(uint8_t *mask, const float *y, int size) {
  for (int byte = 0; byte * 8 < size; byte++) {
    unsigned bits = 0;
    for (int bit = 0; bit < 8 && byte * 8 + bit < size; bit++)
      if (y[byte * 8 + bit] > 0.0f && y[byte * 8 + bit] < 6.0f) bits |= 1u << bit;
    mask[byte] = (uint8_t)bits;
  }
}
