#ifndef TRAINLET_PAIR_I8_H
#define TRAINLET_PAIR_I8_H
#include <stdint.h>
#define PAIR_I8_PARAMETERS                                                                       \
  int8_t *restrict y, const int8_t *x, const int8_t *w, const int32_t *b, const int32_t *q,      \
  const int8_t *h, const int8_t *v, int R, int O, int I, int J, int ZX, int ZY, int low,         \
  int high, int ZH
/* sum + (x[n] - zero) w[n], in 32 bits that wrap */
static inline int32_t add_dot(int32_t sum, const int8_t *x, const int8_t *w, int n, int zero) {
  uint32_t s = (uint32_t)sum;
  for (int i = 0; i < n; i++) s += (uint32_t)((x[i] - zero) * w[i]);
  return (int32_t)s;
}
#endif
