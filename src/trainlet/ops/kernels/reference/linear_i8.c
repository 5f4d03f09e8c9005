#include "kernel.h"
#include "linear_i8.h"
KERNEL void k_linear_i8(LINEAR_I8_PARAMETERS) {
  linear_i8(y, x, w, b, q, R, O, I, ZX, ZY, low, high);
}
