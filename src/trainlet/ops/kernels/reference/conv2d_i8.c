#include "conv2d_i8.h"
#include "kernel.h"
KERNEL void k_conv2d_i8(CONV2D_I8_PARAMETERS) { conv2d_i8_plain(CONV2D_I8_ARGUMENTS); }
