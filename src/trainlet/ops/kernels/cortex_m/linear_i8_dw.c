#include "bytes_f32.h"
#include "kernel.h"
/* as the reference kernel, 16 sums at a time */
KERNEL ONE_COPY void k_linear_i8_dw(float *restrict dw, const float *g, const int8_t *x, int R,
                                    int O, int I, float S, int Z) {
  Products p = {.start = ZEROS, .a = g, .rows = O, .columns = I < 4 ? I : 4, .n = R,
                .sums_row = I, .a_row = 1, .a_next = O, .b_next = I, .zero = Z};
  for (int quad = 0; quad < I; quad += 4) {
    int i = four_from(quad, I);
    p.sums = dw + i, p.b = x + i;
    columns_by_bytes(&p);
  }
  for (int k = 0; k < O * I; k++) dw[k] *= S;
}
