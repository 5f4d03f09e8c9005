#include "kernel.h"
/* y = g + factor * (w - anchor); without an anchor it is 0 */
KERNEL void k_penalty_dw(float *y, const float *g, const float *w, const float *anchor, int size,
                         float factor) {
  for (int k = 0; k < size; k++) y[k] = g[k] + factor * (anchor ? w[k] - anchor[k] : w[k]);
}
