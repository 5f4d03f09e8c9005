/* The input gradient of 1x1 convolutions and linear layers: the factors of two pixels meet three
 * columns of the weights, eight outputs at a time. */
#ifndef TRAINLET_POINTWISE_MVE_H
#define TRAINLET_POINTWISE_MVE_H
#include "factors_mve.h"
enum { MOST_OUTPUTS = 640 }; /* their factors are on the stack */

/* where three columns have their elements of eight rows, and their places side by side */
typedef struct {
  uint16x8_t one, two, three;
  uint32x4_t places;
} Columns;

static inline Columns three_columns(int C) {
  int second = C > 1, third = C > 2 ? 2 : second;
  uint16x8_t rows = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)C);
  return (Columns){rows, vaddq_n_u16(rows, (uint16_t)second), vaddq_n_u16(rows, (uint16_t)third),
                   (uint32x4_t)four(0, second, third, third)};
}

/* f[0][O] and f[1][O] times w[O,C] in three columns */
INLINED int32x4x2_t two_by_three(const int16_t *f0, const int16_t *f1, const int8_t *w,
                                 const Columns *k, int O, int C) {
  int32_t a = 0, b = 0, c = 0, p = 0, q = 0, r = 0;
  __asm__ volatile(
      "dlstp.16 lr, %[n]\n"
      "1:\tvldrb.s16 q0, [%[w], %q[one]]\n\t"
      "vldrh.16 q1, [%[f0]], #16\n\t"
      "vmladava.s16 %[a], q0, q1\n\t"
      "vldrb.s16 q2, [%[w], %q[two]]\n\t"
      "vmladava.s16 %[b], q2, q1\n\t"
      "vldrb.s16 q3, [%[w], %q[three]]\n\t"
      "vmladava.s16 %[c], q3, q1\n\t"
      "vldrh.16 q1, [%[f1]], #16\n\t"
      "vmladava.s16 %[p], q0, q1\n\t"
      "add %[w], %[w], %[rows]\n\t"
      "vmladava.s16 %[q], q2, q1\n\t"
      "vmladava.s16 %[r], q3, q1\n\t"
      "letp lr, 1b"
      : [a] "+Te"(a), [b] "+Te"(b), [c] "+Te"(c), [p] "+Te"(p), [q] "+Te"(q), [r] "+Te"(r),
        [w] "+r"(w), [f0] "+r"(f0), [f1] "+r"(f1)
      : [n] "r"(O), [rows] "r"(8 * C), [one] "w"(k->one), [two] "w"(k->two), [three] "w"(k->three)
      : "lr", "q0", "q1", "q2", "q3", "memory");
  return (int32x4x2_t){{four(a, b, c, c), four(p, q, r, r)}};
}

/* dx[P,C] = g[P,O] w[O,C]: written, or, if dx is NULL, only its largest sum sought */
static ONE_COPY int32_t pointwise_mve(void *dx, const void *g, const int8_t *w, const int16_t *r,
                                      Shifts shifts, int P, int O, int C, int bytes) {
  int16_t factors[2 * MOST_OUTPUTS];
  uint32_t top = 0;
  Columns columns = three_columns(C);
  for (int p = 0; p < P; p += 2) {
    int last = p + 1 == P; /* an odd last pixel is done twice */
    int16_t *second = last ? factors : factors + O;
    scale_factors(factors, g, p * O, r, O, shifts.before, bytes);
    if (!last) scale_factors(second, g, (p + 1) * O, r, O, shifts.before, bytes);
    for (int k = 0; k < C; k += 3) {
      int c = k + 3 <= C || C < 3 ? k : C - 3;
      int32x4x2_t sums = two_by_three(factors, second, w + c, &columns, O, C);
      if (dx) {
        put_mantissas(dx, p * C + c, columns.places, sums.val[0], shifts.after, bytes);
        put_mantissas(dx, (p + 1 - last) * C + c, columns.places, sums.val[1], shifts.after, bytes);
      } else {
        top = vmaxavq_s32(vmaxavq_s32(top, sums.val[0]), sums.val[1]);
      }
    }
  }
  return (int32_t)top;
}
#endif
