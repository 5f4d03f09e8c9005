#include "kernel.h"
#include "linear_pair_i8.h"
/* linear_pair_i8 of so many rows that it pays to read a weight once for several */
KERNEL void k_linear_pair_rows_i8(PAIR_I8_PARAMETERS) {
  linear_pair_i8(y, x, w, b, q, h, v, R, O, I, J, ZX, ZY, low, high, ZH);
}
