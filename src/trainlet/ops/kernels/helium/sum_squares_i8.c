#include "sum_squares_i8.h"
#include "kernel.h"
#include "mve.h"
#include "pointwise_dw_mve.h"
static ONE_COPY void sum_squares_i8_generic(SUM_SQUARES_I8_PARAMETERS) {
  sum_squares_i8(SUM_SQUARES_I8_ARGUMENTS);
}

/* as the reference kernel; 1x1 with the inputs of each channel side by side */
KERNEL ONE_COPY void k_sum_squares_i8(SUM_SQUARES_I8_PARAMETERS) {
  int point = KH * KW * SH * SW * G == 1 && PT == 0 && PL == 0 && OH == H && OW == W, P = OH * OW;
  if (point && fits_pointwise_dw_mve(P, C, O))
    for (int n = 0; n < N; n++)
      pointwise_dw_mve((Gradients){.squares = total}, of_example(g, n, P * O, bytes), x + n * P * C,
                       S * power_of_two(*e), P, O, C, Z, bytes);
  else
    sum_squares_i8_generic(SUM_SQUARES_I8_ARGUMENTS);
}
