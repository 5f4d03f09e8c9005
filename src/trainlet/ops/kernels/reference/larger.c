#include "kernel.h"
#include <stdint.h>
/* the larger of two exponents or gains */
KERNEL void k_larger(int32_t *restrict y, const int32_t *a, const int32_t *b) {
  *y = *a > *b ? *a : *b;
}
