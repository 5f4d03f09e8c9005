/* Float32 products with bytes, which become floats on the stack, once for all rows that they
 * meet. */
#ifndef TRAINLET_BYTES_F32_H
#define TRAINLET_BYTES_F32_H
#include "products_f32.h"
#include <stdint.h>
enum { BYTES_AT_ONCE = 64 };

/* n times four floats of `columns` bytes less zero, which lie `next` apart */
static ONE_COPY void widen_bytes(float *to, const int8_t *from, int next, int n, int columns,
                                 int zero) {
#if defined(HAS_VMLA) && defined(__ARM_FEATURE_DSP)
  if (columns == 4 && n > 0) {
    uint32_t bytes, u, v;
    zero = -zero;
    __asm__ volatile("1:\tldr %[bytes], [%[from]]\n\tadd %[from], %[from], %[next]\n\t"
                     "sxtab %[u], %[zero], %[bytes]\n\t"
                     "sxtab %[v], %[zero], %[bytes], ror #8\n\tvmov s0, s1, %[u], %[v]\n\t"
                     "sxtab %[u], %[zero], %[bytes], ror #16\n\t"
                     "sxtab %[v], %[zero], %[bytes], ror #24\n\tvmov s2, s3, %[u], %[v]\n\t"
                     "vcvt.f32.s32 s0, s0\n\tvcvt.f32.s32 s1, s1\n\t"
                     "vcvt.f32.s32 s2, s2\n\tvcvt.f32.s32 s3, s3\n\t"
                     "vstmia %[to]!, {s0-s3}\n\tsubs %[n], #1\n\tbne 1b"
                     : [to] "+&r"(to), [from] "+&r"(from), [n] "+&r"(n), [bytes] "=&r"(bytes),
                       [u] "=&r"(u), [v] "=&r"(v)
                     : [next] "r"(next), [zero] "r"(zero)
                     : "s0", "s1", "s2", "s3", "cc", "memory");
    return;
  }
#endif
  for (; n > 0; n--, from += next, to += 4)
    for (int k = 0; k < columns; k++) to[k] = (float)(from[k] - zero);
}

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
