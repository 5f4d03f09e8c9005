#include "sum_squares.h"
#include "kernel.h"
KERNEL void k_sum_squares(SUM_SQUARES_PARAMETERS) { sum_squares(SUM_SQUARES_ARGUMENTS); }
