/* dw[O,I] = S * g[R,O]' (x[R,I] - Z); the sum is exact */
#ifndef TRAINLET_LINEAR_BFP_DW_H
#define TRAINLET_LINEAR_BFP_DW_H
#include "bfp.h"
#define LINEAR_BFP_DW_PARAMETERS \
  float *restrict dw, const void *g, const int8_t *x, \
  const int32_t *e, int R, int O, int I, float S, int Z, int bytes
#define LINEAR_BFP_DW_ARGUMENTS dw, g, x, e, R, O, I, S, Z, bytes
static inline void linear_bfp_dw(LINEAR_BFP_DW_PARAMETERS) {
  float scale = S * power_of_two(*e);
  for (int o = 0; o < O; o++)
    for (int i = 0; i < I; i++) {
      int64_t s = 0;
      for (int r = 0; r < R; r++) s += mantissa(g, r * O + o, bytes) * (x[r * I + i] - Z);
      *dw++ = (float)s * scale;
    }
}
#endif
