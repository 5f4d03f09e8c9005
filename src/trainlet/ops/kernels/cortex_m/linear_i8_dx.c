#include "bytes_f32.h"
#include "kernel.h"
/* as the reference kernel, 16 sums at a time */
KERNEL ONE_COPY void k_linear_i8_dx(float *restrict dx, const float *g, const int8_t *w,
                                    const float *s, int R, int O, int I) {
  Products p = {.start = ZEROS, .a = g, .scale = s, .rows = R, .columns = I < 4 ? I : 4, .n = O,
                .sums_row = I, .a_row = O, .a_next = 1, .b_next = I};
  for (int quad = 0; quad < I; quad += 4) {
    int i = four_from(quad, I);
    p.sums = dx + i, p.b = w + i;
    scaled_rows_by_bytes(&p);
  }
}
