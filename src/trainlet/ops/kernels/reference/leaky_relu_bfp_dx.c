#include "bfp.h"
#include "kernel.h"
/* mantissas where the mask is not set become slope / 2^15 of what they are */
KERNEL void k_leaky_relu_bfp_dx(void *dx, const void *g, const uint8_t *mask, const int32_t *e,
                                int size, int slope, int bytes) {
  (void)e;
  for (int k = 0; k < size; k++) {
    int32_t m = mantissa(g, k, bytes);
    set_mantissa(dx, k, mask[k >> 3] >> (k & 7) & 1 ? m : shift_even(m * slope, 15), bytes);
  }
}
