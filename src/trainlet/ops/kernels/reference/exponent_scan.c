#include "bfp.h"
#include "exponent_scan.h"
#include "kernel.h"
/* the exponent of results of at most gain * g * 2^shift, each rounded `slack` times */
KERNEL void k_exponent_scan(int32_t *restrict out, const void *g, const int32_t *e, int size,
                            int gain, int shift, int slack, int limit, int bytes) {
  *out = *e + shift + scan_shift(largest_mantissa(g, size, bytes), gain, slack, limit);
}
