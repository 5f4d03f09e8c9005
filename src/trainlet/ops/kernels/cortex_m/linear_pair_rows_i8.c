#include "kernel.h"
#include "linear_rows_i8.h"
#include "pair_i8.h"
/* as the reference kernel, two products at a time */
KERNEL ONE_COPY void k_linear_pair_rows_i8(PAIR_I8_PARAMETERS) {
  Factor factors[2] = {{x, w, I, ZX}, {h, v, J, ZH}};
  Outputs to = {b, q, O, ZY, low, high};
  linear_rows(y, factors, 2, &to, R);
}
