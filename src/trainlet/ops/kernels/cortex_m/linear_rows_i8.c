#include "kernel.h"
#include "linear_i8.h"
#include "linear_rows_i8.h"
/* as the reference kernel, two products at a time */
KERNEL ONE_COPY void k_linear_rows_i8(LINEAR_I8_PARAMETERS) {
  Factor factor = {x, w, I, ZX};
  Outputs to = {b, q, O, ZY, low, high};
  linear_rows(y, &factor, 1, &to, R);
}
