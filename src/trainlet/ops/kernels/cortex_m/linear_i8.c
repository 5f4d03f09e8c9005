#include "dot_bytes.h"
#include "dsp.h"
#include "kernel.h"
#include "requantize.h"
/* as the reference kernel, two products at a time */
KERNEL ONE_COPY void k_linear_i8(int8_t *restrict y, const int8_t *x, const int8_t *w,
                                 const int32_t *b, const int32_t *q, int R, int O, int I, int ZX,
                                 int ZY, int low, int high) {
  for (int r = 0; r < R; r++, x += I)
    for (int o = 0; o < O; o++) {
      int32_t sum = dot_bytes(b[o], x, w + o * I, I, ZX);
      *y++ = clamp_i8(rescale_once(sum, q[o], q[O + o]), ZY, low, high);
    }
}
