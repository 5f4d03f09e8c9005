#include "dsp.h"
#include "kernel.h"
#include "linear_bfp_dw.h"
#include "pointwise_dw_bfp.h"
/* as the reference kernel, two rows at a time */
KERNEL ONE_COPY void k_linear_bfp_dw(LINEAR_BFP_DW_PARAMETERS) {
  if (O >= 2 && I >= 4)
    pointwise_dw_bfp((Gradients){.dw = dw}, g, x, S * power_of_two(*e), R, O, I, Z, bytes);
  else linear_bfp_dw(LINEAR_BFP_DW_ARGUMENTS);
}
