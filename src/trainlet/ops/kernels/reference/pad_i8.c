#include "kernel.h"
/* x[X0,X1,X2,X3] within y[Y0,Y1,Y2,Y3] after B0, B1, B2, B3 elements of `value` along each axis */
KERNEL void k_pad_i8(int8_t *restrict y, const int8_t *x, int X0, int X1, int X2, int X3, int Y0,
                     int Y1, int Y2, int Y3, int B0, int B1, int B2, int B3, int value) {
  for (int k = 0; k < Y0 * Y1 * Y2 * Y3; k++) y[k] = (int8_t)value;
  for (int a = 0; a < X0; a++)
    for (int b = 0; b < X1; b++)
      for (int c = 0; c < X2; c++) {
        int8_t *row = y + (((a + B0) * Y1 + b + B1) * Y2 + c + B2) * Y3 + B3;
        for (int d = 0; d < X3; d++) row[d] = *x++;
      }
}
