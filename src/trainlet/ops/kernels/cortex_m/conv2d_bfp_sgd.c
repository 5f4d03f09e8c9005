#include "conv2d_bfp_sgd.h"
#include "dsp.h"
#include "kernel.h"
#include "pointwise_dw_bfp.h"
/* as the reference kernel; 1x1 two pixels at a time */
KERNEL ONE_COPY void k_conv2d_bfp_sgd(CONV2D_BFP_SGD_PARAMETERS) {
  if (KH * KW * SH * SW * G == 1 && OH == H && OW == W && O >= 2 && C >= 4) {
    uint32_t key = random_key(seed, (uint32_t)*step, tensor);
    Gradients to = into_weights(p, inverse, lr, P, key, mode, size, bits);
    pointwise_dw_bfp(to, g, x, S * power_of_two(*e), N * H * W, O, C, Z, bytes);
  } else {
    conv2d_bfp_sgd(CONV2D_BFP_SGD_ARGUMENTS);
  }
}
