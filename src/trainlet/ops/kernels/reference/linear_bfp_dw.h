/* dw[O,I]: the gradients of linear_bfp_weights as a tensor */
#ifndef TRAINLET_LINEAR_BFP_DW_H
#define TRAINLET_LINEAR_BFP_DW_H
#include "linear_bfp_weights.h"
#define LINEAR_BFP_DW_PARAMETERS \
  float *restrict dw, const void *g, const int8_t *x, \
  const int32_t *e, int R, int O, int I, float S, int Z, int bytes
#define LINEAR_BFP_DW_ARGUMENTS dw, g, x, e, R, O, I, S, Z, bytes
static inline void linear_bfp_dw(LINEAR_BFP_DW_PARAMETERS) {
  linear_bfp_weights((Gradients){.dw = dw}, g, x, e, R, O, I, S, Z, bytes);
}
#endif
