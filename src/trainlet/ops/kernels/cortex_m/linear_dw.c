#include "kernel.h"
#include "products_f32.h"
/* as the reference kernel, 16 sums at a time */
KERNEL ONE_COPY void k_linear_dw(float *restrict dw, const float *g, const float *x, int R, int O,
                                 int I) {
  Products p = {.start = ZEROS, .a = g, .rows = O, .columns = I < 4 ? I : 4, .n = R,
                .sums_row = I, .a_row = 1, .a_next = O, .b_column = 1, .b_next = I};
  for (int quad = 0; quad < I; quad += 4) {
    int i = four_from(quad, I);
    p.sums = dw + i, p.b = x + i;
    columns_by_columns(&p);
  }
}
