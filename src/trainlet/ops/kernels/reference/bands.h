/* Sums over runs of one row: run o from spans[o] on, spans[M + o] elements; their weights follow one
 * another in w. */
#ifndef TRAINLET_BANDS_H
#define TRAINLET_BANDS_H
#include <stdint.h>
static inline void bands_f32(float *restrict y, const float *x, const float *w,
                             const int32_t *spans, int M) {
  for (int o = 0; o < M; o++) {
    const float *xp = x + spans[o];
    float s = 0.0f;
    for (int i = spans[M + o]; i > 0; i--) s += *xp++ * *w++;
    y[o] = s;
  }
}
#endif
