/* The input gradient of 1x1 convolutions and linear layers: the factors of two pixels meet three
 * columns of the weights, eight outputs at a time. */
#ifndef TRAINLET_POINTWISE_MVE_H
#define TRAINLET_POINTWISE_MVE_H
#include "factors_mve.h"
enum { MOST_FACTORS = 1280 }; /* of two pixels, or of one, on the stack */

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

/* eight outputs: three columns of w meet the factors of two pixels */
#define MEET_EIGHT                                                                          \
  "vldrb.s16 q0, [%[w], %q[one]]\n\tvldrh.16 q1, [%[f0]], #16\n\t"                        \
  "vmladava.s16 %[a], q0, q1\n\t"                                                          \
  "vldrb.s16 q2, [%[w], %q[two]]\n\tvmladava.s16 %[b], q2, q1\n\t"                        \
  "vldrb.s16 q3, [%[w], %q[three]]\n\tvmladava.s16 %[c], q3, q1\n\t"                      \
  "vldrh.16 q1, [%[f1]], #16\n\tvmladava.s16 %[p], q0, q1\n\t"                             \
  "vmladava.s16 %[q], q2, q1\n\tvmladava.s16 %[r], q3, q1\n\tadd %[w], %[w], %[far]\n\t"
/* All columns but the last ones, 1 to 3, in threes; a fourth mantissa is stored, and overwritten by
 * the next three.  What the inner loop does not need waits in registers for floats. */
#define MEET_ALL(outputs, shift, store, step)                                          \
  __asm__ volatile(                                                                         \
      "2:\tvmov %[a], %[rows]\n\tlsr %[a], %[a], #" shift "\n\tdls lr, %[a]\n\t"            \
      "movs %[a], #0\n\tmov %[b], %[a]\n\tmov %[c], %[a]\n\t"                               \
      "mov %[p], %[a]\n\tmov %[q], %[a]\n\tmov %[r], %[a]\n"                                \
      "1:\t" outputs "le lr, 1b\n\t"                                                    \
      "vmov q0[2], q0[0], %[a], %[c]\n\tvmov q0[3], q0[1], %[b], %[c]\n\t"                 \
      "vmov q1[2], q1[0], %[p], %[r]\n\tvmov q1[3], q1[1], %[q], %[r]\n\t"                 \
      "vmov %[a], %[after]\n\tvrshl.s32 q0, %[a]\n\tvrshl.s32 q1, %[a]\n\t"                \
      "vmov %[b], %[second]\n\t" store " q0, [%[to]]\n\tadd %[to], %[to], %[b]\n\t" store   \
      " q1, [%[to]], #" step "\n\tsub %[to], %[to], %[b]\n\t"                              \
      "vmov %[a], %[rows]\n\tsub %[f0], %[f0], %[a], lsl #1\n\t"                           \
      "sub %[f1], %[f1], %[a], lsl #1\n\t"                                                  \
      "vmov %[a], %[on]\n\tadd %[w], %[w], %[a]\n\t"                                       \
      "subs %[n], %[n], #1\n\tbne 2b"                                                      \
      : [a] "=&Te"(a), [b] "=&Te"(b), [c] "=&Te"(c), [p] "=&Te"(p), [q] "=&Te"(q),          \
        [r] "=&Te"(r), [w] "+r"(w), [f0] "+r"(f0), [f1] "+r"(f1),            \
        [to] "+l"(to), [n] "+r"(n)                                                          \
      : [rows] "t"(O), [on] "t"(3 - O * C), [after] "t"(-after), [second] "t"(second),      \
        [far] "r"(8 * C), [one] "w"(k->one), [two] "w"(k->two), [three] "w"(k->three)     \
      : "lr", "cc", "q0", "q1", "q2", "q3", "memory")

/* 3 n columns from the first on, two pixels `second` bytes apart; O is a multiple of eight */
static ONE_COPY void columns_meet(int8_t *to, int second, const int16_t *f0, const int16_t *f1,
                                  const int8_t *w, const Columns *k, int O, int C, int n,
                                  int after, int bytes) {
  int32_t a, b, c, p, q, r;
  if (bytes == 1) MEET_ALL(MEET_EIGHT, "3", "vstrb.32", "3");
  else if (O & 15) MEET_ALL(MEET_EIGHT, "3", "vstrh.32", "6");
  else MEET_ALL(MEET_EIGHT MEET_EIGHT, "4", "vstrh.32", "6");
}

/* dx[P,C] = g[P,O] w[O,C]: written, or, if dx is NULL, only its largest sum sought */
static ONE_COPY int32_t pointwise_mve(void *dx, const void *g, const int8_t *w, const int16_t *r,
                                      Shifts shifts, int P, int O, int C, int bytes) {
  int16_t factors[MOST_FACTORS];
  uint32_t top = 0;
  Columns columns = three_columns(C);
  int one = 2 * O > MOST_FACTORS, threes = dx && O % 8 == 0 ? (C - 1) / 3 : 0;
  for (int p = 0; p < P; p += 2 - one) {
    int last = one || p + 1 == P; /* an odd last pixel is done twice */
    int16_t *second = last ? factors : factors + O;
    scale_factors(factors, g, p * O, r, O, shifts.before, bytes);
    if (!last) scale_factors(second, g, (p + 1) * O, r, O, shifts.before, bytes);
    if (threes > 0)
      columns_meet((int8_t *)dx + p * C * bytes, last ? 0 : C * bytes, factors, second, w,
                   &columns, O, C, threes, shifts.after, bytes);
    for (int k = 3 * threes; k < C; k += 3) {
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

static inline int fits_pointwise_mve(int O, int C) { return O <= MOST_FACTORS && C < 8192; }
#endif
