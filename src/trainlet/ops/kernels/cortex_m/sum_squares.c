#include "sum_squares.h"
#include "kernel.h"
#include "products_f32.h"
/* as the reference kernel; 1x1 with 16 sums at a time */
KERNEL ONE_COPY void k_sum_squares(SUM_SQUARES_PARAMETERS) {
  enum { FOUR = 4 };
  float sums[FOUR * FOUR];
  Products p = {.sums = sums, .start = ZEROS, .columns = FOUR, .n = H * W, .sums_row = FOUR,
                .a_row = 1, .a_next = O, .b_column = 1, .b_next = C};
  if (KH * KW * SH * SW * G != 1 || OH != H || OW != W || C < FOUR) {
    sum_squares(SUM_SQUARES_ARGUMENTS);
    return;
  }
  for (int n = 0; n < N; n++, g += H * W * O, x += H * W * C)
    for (int o = 0; o < O; o += FOUR)
      for (int quad = 0; quad < C; quad += FOUR) {
        int c = four_from(quad, C); /* the first of the last four may have been added */
        p.rows = O - o < FOUR ? O - o : FOUR, p.a = g + o, p.b = x + c;
        columns_by_columns(&p);
        for (int row = 0; row < p.rows; row++)
          for (int k = quad - c; k < FOUR; k++)
            total[c + k] += sums[row * FOUR + k] * sums[row * FOUR + k];
      }
}
