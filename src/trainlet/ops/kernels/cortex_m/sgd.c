#include "kernel.h"
#include "maps_f32.h"
MEET_MAPS(descend_maps, "vldr s16, [%[scale]]\n\tvneg.f32 s16, s16\n", SUBTRACT_SCALED,
          *left - *scale * *right)

/* as the reference kernel, eight columns at a time: adds products with -lr */
KERNEL void k_sgd(float *p, const float *g, const float *lr, int rows, int p_row, int g_row) {
  Maps m = {p, p, g, rows, g_row, p_row, p_row, g_row};
  descend_maps(&m, lr);
}
