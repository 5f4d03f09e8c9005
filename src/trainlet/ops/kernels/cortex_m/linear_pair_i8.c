#include "dot_bytes.h"
#include "kernel.h"
#include "pair_i8.h"
#include "requantize.h"
/* as the reference kernel, two products at a time */
KERNEL ONE_COPY void k_linear_pair_i8(PAIR_I8_PARAMETERS) {
  for (int r = 0; r < R; r++, x += I, h += J)
    for (int o = 0; o < O; o++) {
      int32_t sum = dot_bytes(dot_bytes(b[o], x, w + o * I, I, ZX), h, v + o * J, J, ZH);
      *y++ = clamp_i8(rescale_once(sum, q[o], q[O + o]), ZY, low, high);
    }
}
