#include "linear_bfp_dw.h"
#include "kernel.h"
KERNEL void k_linear_bfp_dw(LINEAR_BFP_DW_PARAMETERS) {
  linear_bfp_dw(LINEAR_BFP_DW_ARGUMENTS);
}
