#include "kernel.h"
#include "linear_bfp_sgd.h"
KERNEL void k_linear_bfp_sgd(LINEAR_BFP_SGD_PARAMETERS) {
  linear_bfp_sgd(LINEAR_BFP_SGD_ARGUMENTS);
}
