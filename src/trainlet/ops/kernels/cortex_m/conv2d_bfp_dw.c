#include "conv2d_bfp_dw.h"
#include "dsp.h"
#include "kernel.h"
#include "pointwise_dw_bfp.h"
/* as the reference kernel; 1x1 two pixels at a time */
KERNEL ONE_COPY void k_conv2d_bfp_dw(CONV2D_BFP_DW_PARAMETERS) {
  if (KH * KW * SH * SW * G == 1 && OH == H && OW == W && O >= 2 && C >= 4)
    pointwise_dw_bfp((Gradients){.dw = dw}, g, x, S * power_of_two(*e), N * H * W, O, C, Z,
                     bytes);
  else
    conv2d_bfp_dw(CONV2D_BFP_DW_ARGUMENTS);
}
