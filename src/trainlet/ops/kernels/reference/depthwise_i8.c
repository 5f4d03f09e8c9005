#include "depthwise_i8.h"
#include "kernel.h"
KERNEL void k_depthwise_i8(DEPTHWISE_I8_PARAMETERS) { depthwise_i8_plain(DEPTHWISE_I8_ARGUMENTS); }
