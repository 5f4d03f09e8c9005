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

/* f0[O] and f1[O] times w[O,C] in three columns */
#define TWO_BY_THREE(step)                                                                  \
  __asm__ volatile(                                                                         \
      "dlstp.16 lr, %[n]\n"                                                                 \
      "1:\tvldrb.s16 q0, [%[w], %q[one]]\n\t"                                              \
      "vldrh.16 q1, [%[f0]], #" step "\n\t"                                                \
      "vmladava.s16 %[a], q0, q1\n\t"                                                      \
      "vldrb.s16 q2, [%[w], %q[two]]\n\t"                                                  \
      "vmladava.s16 %[b], q2, q1\n\t"                                                      \
      "vldrb.s16 q3, [%[w], %q[three]]\n\t"                                                \
      "vmladava.s16 %[c], q3, q1\n\t"                                                      \
      "vldrh.16 q1, [%[f1]], #" step "\n\t"                                                \
      "vmladava.s16 %[p], q0, q1\n\t"                                                      \
      "add %[w], %[w], %[rows]\n\t"                                                        \
      "vmladava.s16 %[q], q2, q1\n\t"                                                      \
      "vmladava.s16 %[r], q3, q1\n\t"                                                      \
      "letp lr, 1b"                                                                         \
      : [a] "+Te"(a), [b] "+Te"(b), [c] "+Te"(c), [p] "+Te"(p), [q] "+Te"(q), [r] "+Te"(r), \
        [w] "+r"(w), [f0] "+r"(f0), [f1] "+r"(f1)                                           \
      : [n] "r"(O), [rows] "r"(8 * C), [one] "w"(k->one), [two] "w"(k->two),                \
        [three] "w"(k->three)                                                               \
      : "lr", "q0", "q1", "q2", "q3", "memory")
INLINED int32x4x2_t two_by_three(const int16_t *f0, const int16_t *f1, int in_turn,
                                 const int8_t *w, const Columns *k, int O, int C) {
  int32_t a = 0, b = 0, c = 0, p = 0, q = 0, r = 0;
  if (in_turn) TWO_BY_THREE("32");
  else TWO_BY_THREE("16");
  return (int32x4x2_t){{four(a, b, c, c), four(p, q, r, r)}};
}

/* the factors of two pixels, eight of one and eight of the other in turn */
static ONE_COPY void scale_in_turn(int16_t *to, const void *g, int first, int second, const int16_t *r, int n,
                       int before, int bytes) {
  for (int o = 0; o < n; o += 8, to += 16) {
    int16x8_t scale = vld1q_s16(r + o);
    vst1q_s16(to, eight_factors(g, first + o, scale, before, bytes));
    vst1q_s16(to + 8, eight_factors(g, second + o, scale, before, bytes));
  }
}

/* eight outputs: three columns of w meet the factors of two pixels */
#define MEET_EIGHT(dot)                                                                     \
  "vldrb.s16 q0, [%[w], %q[one]]\n\tvldrh.16 q1, [%[f]], #32\n\t"                               \
  dot " %[a], q0, q1\n\t"                                                                  \
  "vldrb.s16 q2, [%[w], %q[two]]\n\t" dot " %[b], q2, q1\n\t"                             \
  "vldrb.s16 q3, [%[w], %q[three]]\n\t" dot " %[c], q3, q1\n\t"                           \
  "vldrh.16 q1, [%[f], #-16]\n\t" dot " %[p], q0, q1\n\t"                                  \
  dot " %[q], q2, q1\n\t" dot " %[r], q3, q1\n\tadd %[w], %[w], %[far]\n\t"
#define FIRST_EIGHT MEET_EIGHT("vmladav.s16")
#define NEXT_EIGHT MEET_EIGHT("vmladava.s16")
/* All columns but the last ones, 1 to 3, in threes; a fourth mantissa is stored, and overwritten by
 * the next three.  What the inner loop does not need waits in registers for floats. */
#define MEET_ALL(outputs, first, next, store, step)                                         \
  __asm__ volatile(                                                                         \
      "2:\tvmov %[a], %[turns]\n\tdls lr, %[a]\n\t" first                                  \
      "1:\t" next "le lr, 1b\n\t"                                                          \
      "vmov q0[2], q0[0], %[a], %[c]\n\tvmov q0[3], q0[1], %[b], %[c]\n\t"                 \
      "vmov q1[2], q1[0], %[p], %[r]\n\tvmov q1[3], q1[1], %[q], %[r]\n\t"                 \
      "vmov %[a], %[after]\n\tvrshl.s32 q0, %[a]\n\tvrshl.s32 q1, %[a]\n\t"               \
      store " q0, [%[to]], #" step "\n\t" store " q1, [%[to2]], #" step "\n\t"             \
      "vmov %[a], %[back]\n\tsub %[f], %[f], %[a]\n\t"                                    \
      "vmov %[a], %[on]\n\tadd %[w], %[w], %[a]\n\t"                                      \
      "subs %[n], %[n], #1\n\tbne 2b"                                                      \
      : [a] "=&Te"(a), [b] "=&Te"(b), [c] "=&Te"(c), [p] "=&Te"(p), [q] "=&Te"(q),          \
        [r] "=&Te"(r), [w] "+r"(w), [f] "+r"(f), [to] "+l"(to), [to2] "+l"(to2), [n] "+r"(n) \
      : [turns] "t"(O / outputs - 1), [back] "t"(4 * O), [on] "t"(3 - O * C),               \
        [after] "t"(-after), [far] "r"(8 * C), [one] "w"(k->one), [two] "w"(k->two),        \
        [three] "w"(k->three)                                                               \
      : "lr", "cc", "q0", "q1", "q2", "q3", "memory")

/* 3 n columns from the first on, two pixels `second` bytes apart; O is a multiple of eight, and not
 * eight */
static ONE_COPY void columns_meet(int8_t *to, int second, const int16_t *f, const int8_t *w,
                                  const Columns *k, int O, int C, int n, int after, int bytes) {
  int32_t a, b, c, p, q, r;
  int8_t *to2 = to + second;
  if (bytes == 1) MEET_ALL(8, FIRST_EIGHT, NEXT_EIGHT, "vstrb.32", "3");
  else if (O & 15 || O == 16) MEET_ALL(8, FIRST_EIGHT, NEXT_EIGHT, "vstrh.32", "6");
  else MEET_ALL(16, FIRST_EIGHT NEXT_EIGHT, NEXT_EIGHT NEXT_EIGHT, "vstrh.32", "6");
}

/* dx[P,C] = g[P,O] w[O,C]: written, or, if dx is NULL, only its largest sum sought */
static ONE_COPY int32_t pointwise_mve(void *dx, const void *g, const int8_t *w, const int16_t *r,
                                      Shifts shifts, int P, int O, int C, int bytes) {
  int16_t factors[MOST_FACTORS];
  uint32_t top = 0;
  Columns columns = three_columns(C);
  int one = 2 * O > MOST_FACTORS, in_turn = !one && O % 8 == 0, before = shifts.before;
  int threes = dx && in_turn && O > 8 ? (C - 1) / 3 : 0;
  for (int p = 0; p < P; p += 2 - one) {
    int last = one || p + 1 == P; /* an odd last pixel is done twice */
    int16_t *second = in_turn ? factors + 8 : last ? factors : factors + O;
    if (in_turn) {
      scale_in_turn(factors, g, p * O, (p + 1 - last) * O, r, O, before, bytes);
    } else {
      scale_factors(factors, g, p * O, r, O, before, bytes);
      if (!last) scale_factors(second, g, (p + 1) * O, r, O, before, bytes);
    }
    if (threes > 0)
      columns_meet((int8_t *)dx + p * C * bytes, last ? 0 : C * bytes, factors, w, &columns, O, C,
                   threes, shifts.after, bytes);
    for (int k = 3 * threes; k < C; k += 3) {
      int c = k + 3 <= C || C < 3 ? k : C - 3;
      int32x4x2_t sums = two_by_three(factors, second, in_turn, w + c, &columns, O, C);
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
