#include "kernel.h"
KERNEL void k_count(int32_t *step) { *step = (int32_t)((uint32_t)*step + 1u); }
