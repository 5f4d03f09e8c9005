#include "exponent_scan.h"
#include "kernel.h"
#include "largest_mve.h"
/* as the reference kernel, eight mantissas at a time */
KERNEL ONE_COPY void k_exponent_scan(int32_t *restrict out, const void *g, const int32_t *e,
                                     int size, int gain, int shift, int slack, int limit,
                                     int bytes) {
  *out = *e + shift + scan_shift(largest_mve(g, size, bytes), gain, slack, limit);
}
