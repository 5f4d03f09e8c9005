#include "bfp.h"
#include "kernel.h"
KERNEL void k_mask_bfp(void *dx, const void *g, const uint8_t *mask, const int32_t *e, int size,
                       int bytes) {
  (void)e;
  for (int k = 0; k < size; k++)
    set_mantissa(dx, k, mask[k >> 3] >> (k & 7) & 1 ? mantissa(g, k, bytes) : 0, bytes);
}
