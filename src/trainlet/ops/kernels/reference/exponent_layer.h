/* bits that a layer drops in all, of factors of at most `top` and a gain */
#ifndef TRAINLET_EXPONENT_LAYER_H
#define TRAINLET_EXPONENT_LAYER_H
#include "bfp.h"
static inline int bits_in_all(int32_t top, int32_t gain) {
  int s = 0;
  for (int64_t all = (int64_t)top * gain; all >> 15; all >>= 1) s++; /* so many are too few */
  while (((int64_t)top + (1 << bits_before(s, gain))) * gain > (int64_t)32766 << s) s++;
  return s;
}
#endif
