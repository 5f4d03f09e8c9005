#include "conv2d_bfp_dw.h"
#include "kernel.h"
KERNEL void k_conv2d_bfp_dw(CONV2D_BFP_DW_PARAMETERS) {
  conv2d_bfp_dw(CONV2D_BFP_DW_ARGUMENTS);
}
