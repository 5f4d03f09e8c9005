#include "bands.h"
#include "kernel.h"
/* y[R,M]: sums over runs of the rows of x[R,K] */
KERNEL void k_bands(float *restrict y, const float *x, const float *w, const int32_t *spans, int R,
                    int K, int M) {
  for (int r = 0; r < R; r++, x += K, y += M) bands_f32(y, x, w, spans, M);
}
