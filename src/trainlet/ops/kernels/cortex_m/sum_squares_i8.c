#include "sum_squares_i8.h"
#include "dsp.h"
#include "kernel.h"
#include "pointwise_dw_bfp.h"
/* as the reference kernel; 1x1 two pixels at a time */
KERNEL ONE_COPY void k_sum_squares_i8(SUM_SQUARES_I8_PARAMETERS) {
  if (KH * KW * SH * SW * G == 1 && OH == H && OW == W && O >= 2 && C >= 4)
    for (int n = 0, P = H * W; n < N; n++)
      pointwise_dw_bfp((Gradients){.squares = total}, of_example(g, n, P * O, bytes), x + n * P * C,
                       S * power_of_two(*e), P, O, C, Z, bytes);
  else
    sum_squares_i8(SUM_SQUARES_I8_ARGUMENTS);
}
