/* Float32 products with bytes, which become floats on the stack, once for all rows that they
 * meet. */
#ifndef TRAINLET_BYTES_F32_H
#define TRAINLET_BYTES_F32_H
#include "products_f32.h"
#include "widen_bytes.h"
#include <stdint.h>
enum { BYTES_AT_ONCE = 64 };

INLINED void meet_bytes(Meet *meet, const Products *given) {
  float floats[4 * BYTES_AT_ONCE];
  const int8_t *bytes = given->b;
  Products p = *given;
  int left = given->n;
  p.b = floats, p.b_column = 1, p.b_next = 4;
  do {
    p.n = left < BYTES_AT_ONCE ? left : BYTES_AT_ONCE;
    widen_bytes(floats, bytes, given->b_next, p.n, p.columns, p.zero);
    meet(&p);
    p.start = p.sums, p.start_row = p.sums_row;
    p.a += p.n * p.a_next, bytes += p.n * given->b_next, left -= p.n;
    if (p.scale) p.scale += p.n;
  } while (left > 0);
}
static ONE_COPY __attribute__((unused)) void scaled_rows_by_bytes(const Products *p) {
  meet_bytes(scaled_rows_by_columns, p);
}
static ONE_COPY __attribute__((unused)) void columns_by_bytes(const Products *p) {
  meet_bytes(columns_by_columns, p);
}
#endif
