#include "kernel.h"
KERNEL void k_decay(float *power, float factor) { *power = *power * factor; }
