#include "dot_bytes.h"
#include "dsp.h"
#include "kernel.h"
/* as the reference kernel, two products at a time */
KERNEL ONE_COPY void k_linear_i8_f32(float *restrict y, const int8_t *x, const int8_t *w,
                                     const int32_t *b, const float *s, int R, int O, int I, float S,
                                     int Z) {
  for (int r = 0; r < R; r++, x += I)
    for (int o = 0; o < O; o++)
      *y++ = (float)dot_bytes(b[o], x, w + o * I, I, Z) * (S * s[o]);
}
