#include "conv2d_i8_dw.h"
#include "kernel.h"
KERNEL void k_conv2d_i8_dw(CONV2D_I8_DW_PARAMETERS) { conv2d_i8_dw(CONV2D_I8_DW_ARGUMENTS); }
