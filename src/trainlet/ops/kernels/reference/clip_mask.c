#include "kernel.h"
/* bit k tells whether element k of the input is not clipped; on a bound only if `inclusive` */
KERNEL void k_clip_mask(uint8_t *mask, const float *x, int size, float low, float high,
                        int inclusive) {
  for (int byte = 0; byte * 8 < size; byte++) {
    unsigned bits = 0;
    for (int bit = 0; bit < 8 && byte * 8 + bit < size; bit++) {
      float v = x[byte * 8 + bit];
      if (inclusive ? v >= low && v <= high : v > low && v < high) bits |= 1u << bit;
    }
    mask[byte] = (uint8_t)bits;
  }
}
