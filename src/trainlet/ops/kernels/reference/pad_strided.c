#include "kernel.h"
/* the reverse of slice: runs of g go to their places, zero elsewhere */
KERNEL void k_pad_strided(float *restrict y, const float *g, int rows, int row, int start, int picks,
                     int step, int run) {
  for (int k = 0; k < rows * row; k++) y[k] = 0.0f;
  for (int r = 0; r < rows; r++)
    for (int p = 0; p < picks; p++)
      for (int k = 0; k < run; k++) y[r * row + start + p * step + k] = *g++;
}
