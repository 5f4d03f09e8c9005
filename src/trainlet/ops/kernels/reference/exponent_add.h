/* the smallest exponent with which the sum of any two of at most top_a 2^ea and top_b 2^eb fits */
#ifndef TRAINLET_EXPONENT_ADD_H
#define TRAINLET_EXPONENT_ADD_H
#include "bfp.h"
static inline int32_t exponent_of_both(int32_t top_a, int32_t top_b, int32_t ea, int32_t eb,
                                       int bytes) {
  int32_t low = top_a ? ea : eb, high = top_b ? eb : ea, limit = bytes == 1 ? 127 : 32767;
  int32_t own_a = low, own_b = high;
  if (low > high) low = own_b, high = own_a;
  int32_t e = low < high - 15 ? high - 15 : low;
  while (moved(top_a, e - own_a) + moved(top_b, e - own_b) > limit) e++;
  return e;
}
#endif
