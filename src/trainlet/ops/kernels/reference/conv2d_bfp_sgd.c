#include "conv2d_bfp_sgd.h"
#include "kernel.h"
KERNEL void k_conv2d_bfp_sgd(CONV2D_BFP_SGD_PARAMETERS) {
  conv2d_bfp_sgd(CONV2D_BFP_SGD_ARGUMENTS);
}
