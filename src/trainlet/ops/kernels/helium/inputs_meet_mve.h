/* Sums of a convolution: pixels of K bytes, side by side, meet the weights of some channels, which
 * stay in registers; sums[pixels][4]. */
#ifndef TRAINLET_INPUTS_MEET_MVE_H
#define TRAINLET_INPUTS_MEET_MVE_H
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

#define FOUR_DOTS(from, pixels)                                                             \
  __asm__ volatile(                                                                         \
      "dls lr, %[n]\n"                                                                      \
      "1:\tvldrb.8 %q[v], [%[x]]\n\t"                                                       \
      "vmladav.s8 r0, %q[v], %q[a]\n\tvmladav.s8 r2, %q[v], %q[b]\n\t"                      \
      "vmladav.s8 r4, %q[v], %q[c]\n\tvmladav.s8 r6, %q[v], %q[d]\n\t"                      \
      "stmia %[to]!, {r0, r2, r4, r6}\n\t"                                                  \
      "add %[x], %[x], %[row]\n\t"                                                          \
      "le lr, 1b"                                                                           \
      : [x] "+r"(from), [to] "+r"(to), [v] "=&w"(v)                                         \
      : [n] "r"(pixels), [row] "r"(k->row), [a] "w"(a), [b] "w"(b), [c] "w"(c), [d] "w"(d)  \
      : "r0", "r2", "r4", "r6", "lr", "memory")

/* four channels of at most 16 inputs; returns the sums of their weights */
static ONE_COPY int32x4_t four_meet(int32_t *to, const int8_t *w, int K, const Pixels *k) {
  int8x16_t a = some_weights(w, K), b = some_weights(w + K, K), v;
  int8x16_t c = some_weights(w + 2 * K, K), d = some_weights(w + 3 * K, K);
  const int8_t *x = k->x, *copy = k->copy;
  if (k->n > k->rest) FOUR_DOTS(x, k->n - k->rest);
  if (k->rest > 0) FOUR_DOTS(copy, k->rest);
  return four(vaddvq_s8(a), vaddvq_s8(b), vaddvq_s8(c), vaddvq_s8(d));
}

#define TWO_DOTS(before, dot, third, from, pixels)                                          \
  __asm__ volatile(                                                                         \
      "dls lr, %[n]\n"                                                                      \
      "1:\tvldrb.8 %q[v], [%[x]]\n\t" before                                                \
      dot " %[s], %q[v], %q[a0]\n\t" dot " %[t], %q[v], %q[b0]\n\t"                         \
      "vldrb.8 %q[v], [%[x], #16]\n\t"                                                      \
      "vmladava.s8 %[s], %q[v], %q[a1]\n\tvmladava.s8 %[t], %q[v], %q[b1]\n\t" third        \
      "add %[x], %[x], %[row]\n\t"                                                          \
      "strd %[s], %[t], [%[to]], #16\n\t"                                                   \
      "le lr, 1b"                                                                           \
      : [x] "+r"(from), [to] "+r"(to), [v] "=&w"(v), [s] "=&Te"(s), [t] "=&Te"(t)           \
      : [n] "r"(pixels), [row] "r"(k->row), [a0] "w"(a0), [a1] "w"(a1), [a2] "w"(a2),       \
        [b0] "w"(b0), [b1] "w"(b1), [b2] "w"(b2)                                            \
      : "lr", "memory")
#define THIRD                                                                               \
  "vldrb.8 %q[v], [%[x], #32]\n\t"                                                          \
  "vmladava.s8 %[s], %q[v], %q[a2]\n\tvmladava.s8 %[t], %q[v], %q[b2]\n\t"
#define SO_FAR "ldrd %[s], %[t], [%[to]]\n\t"

/* Two channels of `n` inputs, in two or three vectors, of the K from w on; `more` adds to what is
 * there.  Adds the weights to their sums. */
INLINED void two_meet(int32_t *to, const int8_t *w, int K, int n, const Pixels *k, int vectors,
                      int more, int32_t weights[2]) {
  int8x16_t a0 = vldrbq_s8(w), a1 = some_weights(w + 16, n - 16), a2 = a1, v;
  int8x16_t b0 = vldrbq_s8(w + K), b1 = some_weights(w + K + 16, n - 16), b2 = b1;
  const int8_t *x = k->x, *copy = k->copy;
  int32_t s = vaddvaq_s8(vaddvaq_s8(weights[0], a0), a1);
  int32_t t = vaddvaq_s8(vaddvaq_s8(weights[1], b0), b1);
  if (vectors == 3) {
    a2 = some_weights(w + 32, n - 32), b2 = some_weights(w + K + 32, n - 32);
    s = vaddvaq_s8(s, a2), t = vaddvaq_s8(t, b2);
  }
  weights[0] = s, weights[1] = t;
  if (vectors == 3 && more) {
    if (k->n > k->rest) TWO_DOTS(SO_FAR, "vmladava.s8", THIRD, x, k->n - k->rest);
    if (k->rest > 0) TWO_DOTS(SO_FAR, "vmladava.s8", THIRD, copy, k->rest);
  } else if (vectors == 3) {
    if (k->n > k->rest) TWO_DOTS("", "vmladav.s8", THIRD, x, k->n - k->rest);
    if (k->rest > 0) TWO_DOTS("", "vmladav.s8", THIRD, copy, k->rest);
  } else if (more) {
    if (k->n > k->rest) TWO_DOTS(SO_FAR, "vmladava.s8", "", x, k->n - k->rest);
    if (k->rest > 0) TWO_DOTS(SO_FAR, "vmladava.s8", "", copy, k->rest);
  } else {
    if (k->n > k->rest) TWO_DOTS("", "vmladav.s8", "", x, k->n - k->rest);
    if (k->rest > 0) TWO_DOTS("", "vmladav.s8", "", copy, k->rest);
  }
}
static ONE_COPY void two_meet_32(int32_t *to, const int8_t *w, int K, int n, const Pixels *k,
                                 int32_t weights[2]) {
  two_meet(to, w, K, n, k, 2, 0, weights);
}
static ONE_COPY void two_meet_32_more(int32_t *to, const int8_t *w, int K, int n, const Pixels *k,
                                      int32_t weights[2]) {
  two_meet(to, w, K, n, k, 2, 1, weights);
}
static ONE_COPY void two_meet_48(int32_t *to, const int8_t *w, int K, int n, const Pixels *k,
                                 int32_t weights[2]) {
  two_meet(to, w, K, n, k, 3, 0, weights);
}
static ONE_COPY void two_meet_48_more(int32_t *to, const int8_t *w, int K, int n, const Pixels *k,
                                      int32_t weights[2]) {
  two_meet(to, w, K, n, k, 3, 1, weights);
}

/* how many inputs are next of the `rest` more than 16: two vectors of them or three, so that at the
 * end never one is left */
static inline int next_inputs(int rest) { return rest <= 48 ? rest : rest <= 64 ? 32 : 48; }
#endif
