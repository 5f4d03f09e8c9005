#include "dsp.h"
#include "kernel.h"
#include "linear_bfp_sgd.h"
#include "pointwise_dw_bfp.h"
/* as the reference kernel, two rows at a time */
KERNEL ONE_COPY void k_linear_bfp_sgd(LINEAR_BFP_SGD_PARAMETERS) {
  if (O >= 2 && I >= 4) {
    uint32_t key = random_key(seed, (uint32_t)*step, tensor);
    Gradients to = into_weights(p, inverse, lr, P, key, mode, size, bits);
    pointwise_dw_bfp(to, g, x, S * power_of_two(*e), R, O, I, Z, bytes);
  } else {
    linear_bfp_sgd(LINEAR_BFP_SGD_ARGUMENTS);
  }
}
