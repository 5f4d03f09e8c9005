/* The input gradient of 1x1 convolutions and linear layers: the factors of two pixels meet two
 * columns of the weights, eight outputs at a time. */
#ifndef TRAINLET_POINTWISE_MVE_H
#define TRAINLET_POINTWISE_MVE_H
#include "factors_mve.h"
enum { MOST_OUTPUTS = 640 }; /* their factors are on the stack */

/* f0[O] and f1[O] times w[O,C] in the columns whose elements lie at `one` and `two` */
INLINED int32x4_t two_by_two(const int16_t *f0, const int16_t *f1, const int8_t *w,
                             uint16x8_t one, uint16x8_t two, int O, int C) {
  int32_t a = 0, b = 0, c = 0, d = 0;
  __asm__ volatile(
      "dlstp.16 lr, %[n]\n"
      "1:\tvldrb.s16 q0, [%[w], %q[one]]\n\t"
      "vldrh.16 q1, [%[f0]], #16\n\t"
      "vmladava.s16 %[a], q0, q1\n\t"
      "vldrb.s16 q2, [%[w], %q[two]]\n\t"
      "vmladava.s16 %[b], q2, q1\n\t"
      "vldrh.16 q1, [%[f1]], #16\n\t"
      "vmladava.s16 %[c], q0, q1\n\t"
      "add %[w], %[w], %[rows]\n\t"
      "vmladava.s16 %[d], q2, q1\n\t"
      "letp lr, 1b"
      : [a] "+Te"(a), [b] "+Te"(b), [c] "+Te"(c), [d] "+Te"(d), [w] "+r"(w), [f0] "+r"(f0),
        [f1] "+r"(f1)
      : [n] "r"(O), [rows] "r"(8 * C), [one] "w"(one), [two] "w"(two)
      : "lr", "q0", "q1", "q2", "memory");
  return four(a, b, c, d);
}

/* dx[P,C] = g[P,O] w[O,C]: written, or, if dx is NULL, only its largest sum sought */
static ONE_COPY int32_t pointwise_mve(void *dx, const void *g, const int8_t *w, const int16_t *r,
                                      Shifts shifts, int P, int O, int C, int bytes) {
  int16_t factors[2 * MOST_OUTPUTS], *second = factors + O;
  int next = C > 1; /* to the second column */
  uint32_t top = 0;
  uint16x8_t one = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)C);
  uint16x8_t two = vaddq_n_u16(one, (uint16_t)next);
  for (int p = 0; p < P; p += 2) {
    int last = p + 1 < P ? C : 0; /* an odd last pixel is done twice */
    scale_factors(factors, g, p * O, r, O, shifts.before, bytes);
    if (last) scale_factors(second, g, (p + 1) * O, r, O, shifts.before, bytes);
    else second = factors;
    uint32x4_t places = (uint32x4_t)four(0, next, last, last + next);
    for (int k = 0; k < C; k += 2) {
      int c = k + 1 < C ? k : C - 1 - next;
      int32x4_t sum = two_by_two(factors, second, w + c, one, two, O, C);
      if (dx) put_mantissas(dx, p * C + c, places, sum, shifts.after, bytes);
      else top = vmaxavq_s32(top, sum);
    }
  }
  return (int32_t)top;
}
#endif
