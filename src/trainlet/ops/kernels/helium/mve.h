/* Vectors of Armv8.1-M (Helium).  Assembly, where gcc has no tail-predicated loops and moves the
 * lanes of a vector one by one. */
#ifndef TRAINLET_MVE_H
#define TRAINLET_MVE_H
#include <stdint.h>
#include <arm_mve.h>
#define INLINED static inline __attribute__((always_inline))
#ifdef __clang__
#define ONE_COPY __attribute__((noinline))
#else
#define ONE_COPY __attribute__((noinline, noclone)) /* a clone a call would fill the Flash */
#endif

INLINED int32x4_t four(int32_t a, int32_t b, int32_t c, int32_t d) {
  int32x4_t v;
  __asm__("vmov %q0[2], %q0[0], %1, %2\n\tvmov %q0[3], %q0[1], %3, %4"
          : "=&w"(v) : "r"(a), "r"(c), "r"(b), "r"(d));
  return v;
}

/* w[K] times four rows x[K], K > 0, added to a bias; the rows move on by K, rounded up to 16 */
INLINED int32x4_t four_dots_i8(const int8_t *w, const int8_t **x0, const int8_t **x1,
                               const int8_t **x2, const int8_t **x3, int K, int32_t bias) {
  int32_t a = bias, b = bias, c = bias, d = bias;
  __asm__ volatile(
      "dlstp.8 lr, %[k]\n"
      "1:\tvldrb.8 q0, [%[w]], #16\n\t"
      "vldrb.8 q1, [%[x0]], #16\n\t"
      "vmladava.s8 %[a], q0, q1\n\t"
      "vldrb.8 q2, [%[x1]], #16\n\t"
      "vmladava.s8 %[b], q0, q2\n\t"
      "vldrb.8 q1, [%[x2]], #16\n\t"
      "vmladava.s8 %[c], q0, q1\n\t"
      "vldrb.8 q2, [%[x3]], #16\n\t"
      "vmladava.s8 %[d], q0, q2\n\t"
      "letp lr, 1b"
      : [a] "+Te"(a), [b] "+Te"(b), [c] "+Te"(c), [d] "+Te"(d), [w] "+r"(w), [x0] "+r"(*x0),
        [x1] "+r"(*x1), [x2] "+r"(*x2), [x3] "+r"(*x3)
      : [k] "r"(K)
      : "lr", "q0", "q1", "q2", "memory");
  return four(a, b, c, d);
}

/* the sum of n bytes */
INLINED int32_t sum_of_bytes(const int8_t *p, int n) {
  int32_t sum = 0;
  __asm__ volatile(
      "dlstp.8 lr, %[n]\n"
      "1:\tvldrb.8 q0, [%[p]], #16\n\t"
      "vaddva.s8 %[sum], q0\n\t"
      "letp lr, 1b"
      : [sum] "+Te"(sum), [p] "+r"(p) : [n] "r"(n) : "lr", "q0", "memory");
  return sum;
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
