#include "bfp.h"
#include "exponent_add.h"
#include "kernel.h"
/* the smallest exponent with which the sum of any a and any b fits */
KERNEL void k_exponent_add(int32_t *restrict out, const void *a, const void *b, const int32_t *ea,
                           const int32_t *eb, int size, int bytes) {
  int32_t top_a = largest_mantissa(a, size, bytes), top_b = largest_mantissa(b, size, bytes);
  *out = exponent_of_both(top_a, top_b, *ea, *eb, bytes);
}
