#include "exponent_add.h"
#include "kernel.h"
#include "largest_mve.h"
/* as the reference kernel, eight mantissas at a time */
KERNEL ONE_COPY void k_exponent_add(int32_t *restrict out, const void *a, const void *b,
                                    const int32_t *ea, const int32_t *eb, int size, int bytes) {
  int32_t top_a = largest_mve(a, size, bytes), top_b = largest_mve(b, size, bytes);
  *out = exponent_of_both(top_a, top_b, *ea, *eb, bytes);
}
