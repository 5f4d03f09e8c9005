#include "kernel.h"
#include "products_f32.h"
/* as the reference kernel, 16 sums at a time */
KERNEL ONE_COPY void k_linear(float *restrict y, const float *x, const float *w, const float *b,
                              int R, int O, int I) {
  Products p = {.a = x, .rows = R, .columns = O < 4 ? O : 4, .n = I, .sums_row = O,
                .a_row = I, .a_next = 1, .b_column = I, .b_next = 1};
  int bias = b ? 1 : 0;
  HIDE(bias); /* else gcc makes two loops */
  for (int quad = 0; quad < O; quad += 4) {
    int o = four_from(quad, O);
    p.sums = y + o, p.start = (b ? b : ZEROS) + bias * o, p.b = w + o * I;
    rows_by_rows(&p);
  }
}
