#include "add_squares_i8.h"
#include "kernel.h"
KERNEL void k_add_squares_i8(ADD_SQUARES_I8_PARAMETERS) {
  add_squares_i8(ADD_SQUARES_I8_ARGUMENTS);
}
