/* Vectors of Armv8.1-M (Helium).  Assembly, where gcc has no tail-predicated loops and moves the
 * lanes of a vector one by one. */
#ifndef TRAINLET_MVE_H
#define TRAINLET_MVE_H
#include <stdint.h>
#include <arm_mve.h>
#include "one_copy.h"
#define INLINED static inline __attribute__((always_inline))

INLINED int32x4_t four(int32_t a, int32_t b, int32_t c, int32_t d) {
  int32x4_t v;
  __asm__("vmov %q0[2], %q0[0], %1, %2\n\tvmov %q0[3], %q0[1], %3, %4"
          : "=&w"(v) : "r"(a), "r"(c), "r"(b), "r"(d));
  return v;
}

/* n bytes; returns what follows them */
INLINED int8_t *copy_run(int8_t *to, const int8_t *from, int n) {
  int8_t *end = to + n;
  if (n > 0)
    __asm__ volatile(
        "dlstp.8 lr, %[n]\n"
        "1:\tvldrb.8 q0, [%[from]], #16\n\t"
        "vstrb.8 q0, [%[to]], #16\n\t"
        "letp lr, 1b"
        : [to] "+r"(to), [from] "+r"(from) : [n] "r"(n) : "lr", "q0", "memory");
  return end;
}
#endif
