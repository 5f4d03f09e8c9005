#include "kernel.h"
/* y[R,M]: sums over runs of x[R,K], run o from spans[0][o] on, spans[1][o] elements; their weights
 * follow one another in w */
KERNEL void k_bands(float *restrict y, const float *x, const float *w, const int32_t *spans, int R,
                    int K, int M) {
  for (int r = 0; r < R; r++, x += K) {
    const float *wp = w;
    for (int o = 0; o < M; o++) {
      const float *xp = x + spans[o];
      float s = 0.0f;
      for (int i = spans[M + o]; i > 0; i--) s += *xp++ * *wp++;
      *y++ = s;
    }
  }
}
