#include "dsp.h"
#include "kernel.h"
#include "requantize.h"
/* as the reference kernel: a byte has 256 values, so its result is looked up */
KERNEL ONE_COPY void k_requantize_i8(int8_t *y, const int8_t *x, int size, int ZX,
                                     int multiplier, int shift, int ZY, int low, int high) {
  int8_t table[256];
  for (int k = 0; k < 256; k++)
    table[k] = clamp_i8(rescale((int8_t)k - ZX, multiplier, shift), ZY, low, high);
  for (int k = 0; k < size; k++) y[k] = table[(uint8_t)x[k]];
}
