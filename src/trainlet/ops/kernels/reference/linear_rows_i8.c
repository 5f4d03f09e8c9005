#include "kernel.h"
#include "linear_i8.h"
/* linear_i8 of so many rows that it pays to read a weight once for several */
KERNEL void k_linear_rows_i8(LINEAR_I8_PARAMETERS) {
  linear_i8(y, x, w, b, q, R, O, I, ZX, ZY, low, high);
}
