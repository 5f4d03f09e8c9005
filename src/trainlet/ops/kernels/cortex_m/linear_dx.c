#include "kernel.h"
#include "products_f32.h"
/* as the reference kernel, 16 sums at a time */
KERNEL ONE_COPY void k_linear_dx(float *restrict dx, const float *g, const float *w, int R, int O,
                                 int I) {
  Products p = {.start = ZEROS, .a = g, .rows = R, .columns = I < 4 ? I : 4, .n = O,
                .sums_row = I, .a_row = O, .a_next = 1, .b_column = 1, .b_next = I};
  for (int quad = 0; quad < I; quad += 4) {
    int i = four_from(quad, I);
    p.sums = dx + i, p.b = w + i;
    rows_by_columns(&p);
  }
}
