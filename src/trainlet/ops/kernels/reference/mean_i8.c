#include "kernel.h"
#include "requantize.h"
/* y[A,C] = mean over the second dimension of x[A,B,C], rescaled and clamped */
KERNEL void k_mean_i8(int8_t *restrict y, const int8_t *x, int A, int B, int C, int ZX,
                      int multiplier, int shift, int ZY, int low, int high) {
  for (int a = 0; a < A; a++)
    for (int c = 0; c < C; c++) {
      int32_t s = 0;
      for (int b = 0; b < B; b++) s += x[(a * B + b) * C + c] - ZX;
      *y++ = clamp_i8(rescale(s, multiplier, shift), ZY, low, high);
    }
}
