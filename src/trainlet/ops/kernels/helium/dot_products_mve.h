/* Sums of a convolution: pixels of K bytes meet the weights of some channels, `next` bytes apart,
 * which stay in registers as long as they fit; sums[pixels][4]. */
#ifndef TRAINLET_DOT_PRODUCTS_MVE_H
#define TRAINLET_DOT_PRODUCTS_MVE_H
#include "mve.h"
enum { KEPT = 3 }; /* vectors of each of two channels */

/* Pixels `row` bytes apart.  Vectors read behind the last ones, so of `rest` pixels there is a copy
 * with room behind it. */
typedef struct {
  const int8_t *x, *copy;
  int row, n, rest;
} Pixels;

INLINED int8x16_t some_weights(const int8_t *w, int n) {
  return vldrbq_z_s8(w, vctp8q((uint32_t)n));
}

#define FOUR_DOTS(load, from, pixels)                                                       \
  __asm__ volatile(                                                                         \
      "dls lr, %[n]\n"                                                                      \
      "1:\tvldrb.8 %q[v], " load "\n\t"                                                     \
      "vmladav.s8 r0, %q[v], %q[a]\n\tvmladav.s8 r2, %q[v], %q[b]\n\t"                      \
      "vmladav.s8 r4, %q[v], %q[c]\n\tvmladav.s8 r6, %q[v], %q[d]\n\t"                      \
      "stmia %[to]!, {r0, r2, r4, r6}\n\t"                                                 \
      "le lr, 1b"                                                                           \
      : [x] "+r"(from), [to] "+r"(to), [v] "=&w"(v)                                         \
      : [n] "r"(pixels), [row] "r"(k->row), [a] "w"(a), [b] "w"(b), [c] "w"(c), [d] "w"(d)  \
      : "r0", "r2", "r4", "r6", "lr", "memory")
#define ANY_ROW "[%[x]]\n\tadd %[x], %[x], %[row]"

/* four channels of at most 16 inputs; returns the sums of their weights */
static ONE_COPY int32x4_t four_meet(int32_t *to, const int8_t *w, int next, int K,
                                    const Pixels *k) {
  int8x16_t a = some_weights(w, K), b = some_weights(w + next, K), v;
  int8x16_t c = some_weights(w + 2 * next, K), d = some_weights(w + 3 * next, K);
  const int8_t *x = k->x, *copy = k->copy;
  int n = k->n - k->rest;
  if (n > 0 && k->row == 16) FOUR_DOTS("[%[x]], #16", x, n);
  else if (n > 0 && k->row == 8) FOUR_DOTS("[%[x]], #8", x, n);
  else if (n > 0) FOUR_DOTS(ANY_ROW, x, n);
  if (k->rest > 0) FOUR_DOTS(ANY_ROW, copy, k->rest);
  return four(vaddvq_s8(a), vaddvq_s8(b), vaddvq_s8(c), vaddvq_s8(d));
}

#define TWO_DOTS(dots, load, from, pixels)                                                  \
  __asm__ volatile(                                                                         \
      "dls lr, %[n]\n"                                                                      \
      "1:\t" dots DOTS("vmladava.s8", load, "0")                                            \
      "strd %[s], %[t], [%[to]], #16\n\t"                                                  \
      "le lr, 1b"                                                                           \
      : [x] "+r"(from), [to] "+r"(to), [v] "=&w"(v), [s] "=&Te"(s), [t] "=&Te"(t)           \
      : [n] "r"(pixels), [row] "r"(k->row), [a0] "w"(a0), [a1] "w"(a1), [a2] "w"(a2),       \
        [b0] "w"(b0), [b1] "w"(b1), [b2] "w"(b2)                                            \
      : "lr", "memory")
#define DOTS(dot, load, of)                                                                 \
  "vldrb.8 %q[v], " load "\n\t" dot " %[s], %q[v], %q[a" of "]\n\t"                        \
  dot " %[t], %q[v], %q[b" of "]\n\t"
#define SECOND DOTS("vmladav.s8", "[%[x], #16]", "1")
#define THIRD DOTS("vmladav.s8", "[%[x], #32]", "2") DOTS("vmladava.s8", "[%[x], #16]", "1")
#define ALL_DOTS(dots, common, other)                                                       \
  if (n > 0 && k->row == common) TWO_DOTS(dots, "[%[x]], #" #common, x, n);                 \
  else if (n > 0 && k->row == other) TWO_DOTS(dots, "[%[x]], #" #other, x, n);              \
  else if (n > 0) TWO_DOTS(dots, ANY_ROW, x, n);                                            \
  if (k->rest > 0) TWO_DOTS(dots, ANY_ROW, copy, k->rest)

/* four channels of 17 to 32 inputs, or of 33 to 48; returns the sums of their weights */
INLINED int32x4_t dots_in_twos(int32_t *to, const int8_t *w, int next, int K, const Pixels *k,
                               int vectors) {
  int32_t weights[4];
  int n = k->n - k->rest;
  mve_pred16_t some = vctp8q((uint32_t)(K - 16 * (vectors - 1)));
  for (int i = 0; i < 4; i += 2, w += next, to += 2 - 4 * k->n) {
    int8x16_t a0 = vldrbq_s8(w), a1, a2, b0, b1, b2, v;
    const int8_t *x = k->x, *copy = k->copy;
    a1 = a2 = vectors == 3 ? vldrbq_s8(w + 16) : vldrbq_z_s8(w + 16, some);
    if (vectors == 3) a2 = vldrbq_z_s8(w + 32, some);
    w += next;
    b0 = vldrbq_s8(w);
    b1 = b2 = vectors == 3 ? vldrbq_s8(w + 16) : vldrbq_z_s8(w + 16, some);
    if (vectors == 3) b2 = vldrbq_z_s8(w + 32, some);
    int32_t s = vaddvaq_s8(vaddvq_s8(a0), a1), t = vaddvaq_s8(vaddvq_s8(b0), b1);
    weights[i] = vectors == 3 ? vaddvaq_s8(s, a2) : s;
    weights[i + 1] = vectors == 3 ? vaddvaq_s8(t, b2) : t;
    if (vectors == 3) {
      ALL_DOTS(THIRD, 48, 40);
    } else {
      ALL_DOTS(SECOND, 32, 24);
    }
  }
  return vld1q_s32(weights);
}
static ONE_COPY int32x4_t dots_of_32(int32_t *to, const int8_t *w, int next, int K,
                                     const Pixels *k) {
  return dots_in_twos(to, w, next, K, k, 2);
}
static ONE_COPY int32x4_t dots_of_48(int32_t *to, const int8_t *w, int next, int K,
                                     const Pixels *k) {
  return dots_in_twos(to, w, next, K, k, 3);
}

#define MEET_PAIRS(dot)                                                                     \
  "vldrb.8 q0, [%[w]], #16\n\tvldrb.8 q1, [%[x]], #16\n\t" dot " %[a], q0, q1\n\t"          \
  "vldrb.8 q2, [%[w1]], #16\n\t" dot " %[b], q2, q1\n\t"                                   \
  "vldrb.8 q1, [%[x1]], #16\n\t" dot " %[c], q0, q1\n\t" dot " %[d], q2, q1\n\t"
/* Two channels of more than 16 inputs, and two pixels at a time, the second one `row` bytes behind
 * the first.  What the inner loop does not need waits in registers for floats. */
INLINED void pairs_meet(int32_t *to, const int8_t *w, int next, int K, const int8_t *x, int row,
                        int pairs) {
  const int8_t *w1 = w + next, *x1 = x + row;
  int32_t a, b, c, d, back = (K + 15) & ~15, on = 2 * row - back;
  __asm__ volatile(
      "2:\t" MEET_PAIRS("vmladav.s8") "dlstp.8 lr, %[k]\n"
      "1:\t" MEET_PAIRS("vmladava.s8") "letp lr, 1b\n\t"
      "strd %[a], %[b], [%[to]], #16\n\t"
      "strd %[c], %[d], [%[to]], #16\n\t"
      "vmov %[a], %[back]\n\tsub %[w], %[w], %[a]\n\tsub %[w1], %[w1], %[a]\n\t"
      "vmov %[a], %[on]\n\tadd %[x], %[x], %[a]\n\tadd %[x1], %[x1], %[a]\n\t"
      "subs %[n], %[n], #1\n\t"
      "bne 2b"
      : [a] "=&Te"(a), [b] "=&Te"(b), [c] "=&Te"(c), [d] "=&Te"(d), [w] "+r"(w),
        [w1] "+r"(w1), [x] "+r"(x), [x1] "+r"(x1), [to] "+r"(to), [n] "+r"(pairs)
      : [k] "r"(K - 16), [back] "t"(back), [on] "t"(on)
      : "lr", "cc", "q0", "q1", "q2", "memory");
}
/* of an odd number of pixels the last one meets twice, and puts down what nobody reads */
static ONE_COPY void many_meet(int32_t *to, const int8_t *w, int next, int K, const Pixels *k) {
  int pairs = k->n / 2;
  if (pairs > 0) pairs_meet(to, w, next, K, k->x, k->row, pairs);
  if (k->n & 1) pairs_meet(to + 8 * pairs, w, next, K, k->x + 2 * pairs * k->row, 0, 1);
}

/* the sums of the weights of four channels */
static ONE_COPY int32x4_t sums_of_rows(const int8_t *w, int next, int K) {
  const int8_t *w1 = w + next, *w2 = w1 + next, *w3 = w2 + next;
  int32_t a = 0, b = 0, c = 0, d = 0;
  __asm__ volatile(
      "dlstp.8 lr, %[k]\n"
      "1:\tvldrb.8 q0, [%[w0]], #16\n\tvaddva.s8 %[a], q0\n\t"
      "vldrb.8 q1, [%[w1]], #16\n\tvaddva.s8 %[b], q1\n\t"
      "vldrb.8 q0, [%[w2]], #16\n\tvaddva.s8 %[c], q0\n\t"
      "vldrb.8 q1, [%[w3]], #16\n\tvaddva.s8 %[d], q1\n\t"
      "letp lr, 1b"
      : [a] "+Te"(a), [b] "+Te"(b), [c] "+Te"(c), [d] "+Te"(d), [w0] "+r"(w), [w1] "+r"(w1),
        [w2] "+r"(w2), [w3] "+r"(w3)
      : [k] "r"(K)
      : "lr", "q0", "q1", "memory");
  return four(a, b, c, d);
}
#endif
