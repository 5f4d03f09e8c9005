#include "conv2d_bfp_sgd.h"
#include "kernel.h"
#include "mve.h"
#include "pointwise_dw_mve.h"
static ONE_COPY void conv2d_bfp_sgd_generic(CONV2D_BFP_SGD_PARAMETERS) {
  conv2d_bfp_sgd(CONV2D_BFP_SGD_ARGUMENTS);
}

/* as the reference kernel; 1x1 with the inputs of each channel side by side */
KERNEL ONE_COPY void k_conv2d_bfp_sgd(CONV2D_BFP_SGD_PARAMETERS) {
  int point = KH * KW * SH * SW * G == 1 && PT == 0 && PL == 0 && OH == H && OW == W;
  if (point && fits_pointwise_dw_mve(N * OH * OW, C, O)) {
    Planes planes = {size, bits, mode, random_key(seed, (uint32_t)*step, tensor)};
    Gradients to = {0, 0, p, inverse, *lr, P, planes};
    pointwise_dw_mve(to, g, x, S * power_of_two(*e), N * OH * OW, O, C, Z, bytes);
  } else {
    conv2d_bfp_sgd_generic(CONV2D_BFP_SGD_ARGUMENTS);
  }
}
