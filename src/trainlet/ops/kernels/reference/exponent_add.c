#include "bfp.h"
#include "kernel.h"
/* the smallest exponent with which the sum of any a and any b fits */
KERNEL void k_exponent_add(int32_t *restrict out, const void *a, const void *b, const int32_t *ea,
                           const int32_t *eb, int size, int bytes) {
  int32_t top_a = largest_mantissa(a, size, bytes), top_b = largest_mantissa(b, size, bytes);
  int32_t low = top_a ? *ea : *eb, high = top_b ? *eb : *ea, limit = bytes == 1 ? 127 : 32767;
  int32_t own_a = low, own_b = high;
  if (low > high) low = own_b, high = own_a;
  int32_t e = low < high - 15 ? high - 15 : low;
  while (moved(top_a, e - own_a) + moved(top_b, e - own_b) > limit) e++;
  *out = e;
}
