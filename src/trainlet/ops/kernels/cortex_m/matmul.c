#include "kernel.h"
#include "products_f32.h"
/* as the reference kernel, 16 sums at a time unless both operands are swapped */
KERNEL ONE_COPY void k_matmul(float *restrict y, const float *a, const float *b, int B, int M,
                              int K, int N, int a_swapped, int b_swapped) {
  Products p = {.start = ZEROS, .rows = M, .columns = N < 4 ? N : 4, .n = K, .sums_row = N,
                .a_row = a_swapped ? 1 : K, .a_next = a_swapped ? M : 1,
                .b_column = b_swapped ? K : 1, .b_next = b_swapped ? 1 : N};
  for (int batch = 0; batch < B; batch++, y += M * N, a += M * K, b += K * N)
    for (int quad = 0; quad < N; quad += 4) {
      int n = four_from(quad, N);
      p.sums = y + n, p.a = a, p.b = b + n * p.b_column;
      if (!a_swapped && b_swapped) rows_by_rows(&p);
      else if (!a_swapped) rows_by_columns(&p);
      else if (!b_swapped) columns_by_columns(&p);
      else sum_plainly(&p, 0);
    }
}
