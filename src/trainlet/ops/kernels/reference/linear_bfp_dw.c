#include "bfp.h"
#include "kernel.h"
/* dw[O,I] = S * g[R,O]' (x[R,I] - Z); the sum is exact */
KERNEL void k_linear_bfp_dw(float *restrict dw, const void *g, const int8_t *x, const int32_t *e,
                            int R, int O, int I, float S, int Z, int bytes) {
  float scale = S * power_of_two(*e);
  for (int o = 0; o < O; o++)
    for (int i = 0; i < I; i++) {
      int64_t s = 0;
      for (int r = 0; r < R; r++) s += mantissa(g, r * O + o, bytes) * (x[r * I + i] - Z);
      *dw++ = (float)s * scale;
    }
}
