#include "sum_squares_i8.h"
#include "kernel.h"
KERNEL void k_sum_squares_i8(SUM_SQUARES_I8_PARAMETERS) {
  sum_squares_i8(SUM_SQUARES_I8_ARGUMENTS);
}
