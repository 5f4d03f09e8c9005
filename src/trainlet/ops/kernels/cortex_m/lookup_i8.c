#include "dsp.h"
#include "kernel.h"
#define LOOK_UP(k) y[k] = table[(uint8_t)x[k]]

/* as the reference kernel, eight elements at a time */
KERNEL ONE_COPY void k_lookup_i8(int8_t *y, const int8_t *x, const int8_t *table, int size) {
  for (; size >= 8; size -= 8, x += 8, y += 8) {
    LOOK_UP(0), LOOK_UP(1), LOOK_UP(2), LOOK_UP(3);
    LOOK_UP(4), LOOK_UP(5), LOOK_UP(6), LOOK_UP(7);
  }
  for (int k = 0; k < size; k++) LOOK_UP(k);
}
