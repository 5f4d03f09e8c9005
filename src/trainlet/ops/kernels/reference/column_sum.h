#ifndef TRAINLET_COLUMN_SUM_H
#define TRAINLET_COLUMN_SUM_H
#include "bfp.h"
/* of column c of g[R,C], exact */
static inline int64_t column_sum(const void *g, int c, int R, int C, int bytes) {
  int64_t s = 0;
  for (int r = 0; r < R; r++) s += mantissa(g, r * C + c, bytes);
  return s;
}
#endif
