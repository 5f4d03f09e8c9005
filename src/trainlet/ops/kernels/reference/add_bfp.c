#include "bfp.h"
#include "kernel.h"
#include "one_copy.h"
KERNEL ONE_COPY void k_add_bfp(void *y, const void *a, const void *b, const int32_t *ea,
                               const int32_t *eb, const int32_t *out, int size, int bytes) {
  int32_t by_a = *out - *ea, by_b = *out - *eb;
  for (int k = 0; k < size; k++) {
    int32_t sum = moved(mantissa(a, k, bytes), by_a) + moved(mantissa(b, k, bytes), by_b);
    set_mantissa(y, k, sum, bytes);
  }
}
