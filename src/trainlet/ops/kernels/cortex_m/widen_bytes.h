/* Bytes that become floats. */
#ifndef TRAINLET_WIDEN_BYTES_H
#define TRAINLET_WIDEN_BYTES_H
#include "dsp.h"
#include "vmla.h"
#include <stdint.h>
/* n times four floats of `columns` bytes less zero, which lie `next` apart */
static ONE_COPY void widen_bytes(float *to, const int8_t *from, int next, int n, int columns,
                                 int zero) {
#if defined(HAS_VMLA) && defined(HAS_DSP)
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

/* `rows` times n floats of bytes less zero, whose rows lie `next` apart */
INLINED void widen_rows(float *to, const int8_t *from, int next, int rows, int n, int zero) {
  for (; rows > 0; rows--, from += next, to += n) {
    widen_bytes(to, from, 4, n / 4, 4, zero);
    for (int k = n & -4; k < n; k++) to[k] = (float)(from[k] - zero);
  }
}
#endif
