#include "bfp.h"
#include "kernel.h"
/* the exponent of results of at most gain * g * 2^shift, each rounded `slack` times */
KERNEL void k_exponent_scan(int32_t *restrict out, const void *g, const int32_t *e, int size,
                            int gain, int shift, int slack, int limit, int bytes) {
  int64_t bound = (int64_t)largest_mantissa(g, size, bytes) * gain;
  int s = 0;
  if (bound > limit)
    for (s = 1; bound + ((int64_t)slack << s) > (int64_t)limit << s;) s++;
  *out = *e + shift + s;
}
