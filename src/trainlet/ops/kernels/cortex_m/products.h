/* Sums of products of bytes, two in an instruction: a map of int16 words made once on the stack
 * serves many outputs.  Four bytes become two words, (0, 2) and (1, 3), which are the same pairs
 * of elements for x and for w. */
#ifndef TRAINLET_PRODUCTS_H
#define TRAINLET_PRODUCTS_H
#include "dsp.h"
#include "eight_sums.h"
#include "rescale_fast.h"
#include <stdint.h>

enum { AT_ONCE = 8 }; /* products of a sum; rows are filled up with zeros to a multiple */

static inline void put_less(uint32_t *to, uint32_t bytes, int lanes, uint32_t zeros) {
  to[0] = ssub16(sxtb16(bytes), zeros);
  to[lanes] = ssub16(sxtb16_ror8(bytes), zeros);
}

/* x - zero of n bytes of each of `count` pixels, `step` bytes apart: words `lanes` apart */
static ONE_COPY void widen_pixels(uint32_t *to, const int8_t *x, int n, int lanes, int zero,
                                  int count, int step) {
  uint32_t zeros = ((uint32_t)zero & 0xFFFFu) | (uint32_t)zero << 16;
  int rest = n & (AT_ONCE - 1), head = rest < 4 ? rest : 4;
  for (n -= rest; count > 0; count--, x += step, to++) {
    uint32_t *word = to;
    const int8_t *at = x, *end = x + n;
    for (; at != end; word += 4 * lanes) {
      uint32_t first, second;
      LOAD_WORD(first, at);
      LOAD_WORD(second, at);
      put_less(word, first, lanes, zeros);
      put_less(word + 2 * lanes, second, lanes, zeros);
    }
    if (rest) {
      put_less(word, load_some(at, head), lanes, zeros);
      put_less(word + 2 * lanes, load_some(at + 4, rest - head), lanes, zeros);
    }
  }
}

INLINED uint32_t *put_two(uint32_t *to, uint32_t first, uint32_t second) {
  STORE_FOUR(to, sxtb16(first), sxtb16(second), sxtb16_ror8(first), sxtb16_ror8(second));
  return to;
}

/* words of n bytes that begin with a word of their own */
static inline int words_of_row(int n) { return n / 4 * 2 + ((n & 3) > 1 ? 2 : n & 3); }

/* x - zero of `rows` rows of n bytes, `below` bytes apart: words 4 apart, each row from a word on,
 * and nothing behind them: what fills them up meets zeros of w */
static ONE_COPY void widen_taps(uint32_t *to, const int8_t *x, int below, int rows, int n,
                                int zero) {
  uint32_t zeros = ((uint32_t)zero & 0xFFFFu) | (uint32_t)zero << 16;
  int rest = n & 3;
  for (; rows > 0; rows--, x += below) {
    const int8_t *at = x, *end = x + (n - rest);
    for (; at != end; to += 8) {
      uint32_t word;
      LOAD_WORD(word, at);
      put_less(to, word, 4, zeros);
    }
    if (rest == 1) {
      *to = (uint32_t)(*at - zero) & 0xFFFFu;
      to += 4;
    } else if (rest) {
      put_less(to, load_some(at, rest), 4, zeros);
      to += 8;
    }
  }
}

/* the weights of two outputs as words side by side, in rows of n; zeros up to `words` of each */
static ONE_COPY void widen_two(uint32_t *to, const int8_t *w0, const int8_t *w1, int rows, int n,
                               int words) {
  const uint32_t *stop = to + 2 * words;
  for (; rows > 0; rows--) {
    uint32_t first, second;
    for (const int8_t *end = w0 + (n & -8); w0 != end;) {
      uint32_t third, fourth;
      LOAD_WORD(first, w0);
      LOAD_WORD(second, w1);
      LOAD_WORD(third, w0);
      LOAD_WORD(fourth, w1);
      to = put_two(put_two(to, first, second), third, fourth);
    }
    if (n & 4) {
      LOAD_WORD(first, w0);
      LOAD_WORD(second, w1);
      to = put_two(to, first, second);
    }
    int rest = n & 3;
    if (rest) {
      put_two(to, load_some(w0, rest), load_some(w1, rest));
      to += rest > 1 ? 4 : 2, w0 += rest, w1 += rest;
    }
  }
  while (to != stop) *to++ = 0;
}

/* what is the same for all of a layer */
typedef struct {
  const int8_t *w;
  const int32_t *b, *q;
  int O, K, rectified;
  int32_t zero;
} Layer;

INLINED void channels_of(Channel *to, int n, const Layer *layer, int o) {
  channels(to, n, layer->b, layer->q, layer->O, o, layer->rectified);
}

/* words of x and of two rows of w, which ends at `end`: sums[4][2] of four pixels and two channels,
 * on top of what they are; returns the next four pixels' words */
static ONE_COPY const uint32_t *meet_four(int32_t *sums, const uint32_t *x, const uint32_t *w,
                                          const uint32_t *end) {
  int32_t p0 = sums[0], p1 = sums[2], p2 = sums[4], p3 = sums[6];
  int32_t q0 = sums[1], q1 = sums[3], q2 = sums[5], q3 = sums[7];
  do
    for (int k = 0; k < 4; k++) {
      uint32_t u, v, s, t;
      LOAD_PAIR(u, v, w);
      LOAD_PAIR(s, t, x);
      p0 = smlad(s, u, p0), q0 = smlad(s, v, q0), p1 = smlad(t, u, p1), q1 = smlad(t, v, q1);
      LOAD_PAIR(s, t, x);
      p2 = smlad(s, u, p2), q2 = smlad(s, v, q2), p3 = smlad(t, u, p3), q3 = smlad(t, v, q3);
    }
  while (w != end);
  sums[0] = p0, sums[1] = q0, sums[2] = p1, sums[3] = q1;
  sums[4] = p2, sums[5] = q2, sums[6] = p3, sums[7] = q3;
  return x;
}

#ifdef HAS_EIGHT_SUMS
/* what two channels of four pixels at a time need, in the order in which it is loaded */
typedef struct {
  int32_t first[3], second[2]; /* twice and unit of each, and zero */
  int8_t *y;
  int row, back; /* back: -row */
  const uint32_t *end; /* of x */
  int32_t bias[8];
  const uint32_t *rows;
} TwoChannels;
#define MULTIPLY(sum) "smmlar " sum ", " sum ", r10, " sum "\n\t"
#define SHIFT(sum) "smmlar " sum ", " sum ", r11, r12\n\t"
#define SATURATE(sum) "ssat " sum ", #8, " sum "\n\t"
#define JOIN(p, q) "bfi " p ", " q ", #8, #8\n\t"
INLINED void two_of_fours(const TwoChannels *k, const uint32_t *x, const uint32_t *end) {
  register const void *at __asm__("r9") = k->bias;
  SpillSlot two, stop;
  PUT_ASIDE(two, k);
  PUT_ASIDE(stop, end);
  __asm__ volatile(
      "1:\tldm r9, {" EIGHT_SUMS ", r9}\n\t"
      "2:\t" EIGHT_SUMS_TO("%[stop]") "bne 2b\n\tvmov r9, %[two]\n\tldm r9!, {r10, r11, r12}\n\t"
      MULTIPLY("r0") MULTIPLY("r1") MULTIPLY("r2") MULTIPLY("r3")
      SHIFT("r0") SHIFT("r1") SHIFT("r2") SHIFT("r3") "ldrd r10, r11, [r9], #8\n\t"
      SATURATE("r0") MULTIPLY("r4") SATURATE("r1") MULTIPLY("r5")
      SATURATE("r2") MULTIPLY("r6") SATURATE("r3") MULTIPLY("r8")
      SHIFT("r4") SHIFT("r5") SHIFT("r6") SHIFT("r8") "ldm r9, {r10, r11, r12, lr}\n\t"
      SATURATE("r4") SATURATE("r5") JOIN("r0", "r4") SATURATE("r6") "strh r0, [r10]\n\t"
      JOIN("r1", "r5") SATURATE("r8") "strh r1, [r10, r11]\n\t" JOIN("r2", "r6")
      "cmp lr, %[x]\n\t" JOIN("r3", "r8") "strh r2, [r10, r11, lsl #1]\n\t"
      "add r10, r10, r11, lsl #2\n\tstrh r3, [r10, r12]\n\tstr r10, [r9], #16\n\tbne 1b"
      : [x] "+r"(x), "+r"(at)
      : [two] "t"(two), [stop] "t"(stop)
      : "r10", EIGHT_SUMS_CLOBBER);
}
#endif

/* channels o and o+1 of four pixels at a time, from words of x and of the rows of w; y of the
 * first pixel */
static ONE_COPY void quads_by_two(const Layer *layer, int8_t *y, int o, const uint32_t *x,
                                  const uint32_t *w, int words, int quads) {
  int row = layer->O;
  y += o;
#ifdef HAS_EIGHT_SUMS
  const int32_t *b = layer->b + o, *m = layer->q + o, *shift = m + row;
  int32_t first = unit_of(m[0], shift[0], layer->rectified);
  int32_t second = unit_of(m[1], shift[1], layer->rectified);
  if (first && second) {
    int32_t p = b[0], q = b[1];
    TwoChannels two = {{doubled(m[0]), first, layer->zero}, {doubled(m[1]), second}, y, row, -row,
                       x + words * quads, {p, p, p, p, q, q, q, q}, w};
    two_of_fours(&two, x, w + words / 2);
    return;
  }
#endif
  Channel c[2];
  channels_of(c, 2, layer, o);
  for (; quads > 0; quads--, y += 4 * row) {
    int32_t p = c[0].bias, q = c[1].bias, sums[8] = {p, q, p, q, p, q, p, q};
    x = meet_four(sums, x, w, w + words / 2);
    store_each(y, row, sums, 4, 2, c, layer->zero);
  }
}

#ifdef HAS_EIGHT_SUMS
#define FOUR_WORDS "ldm %[x]!, {r4, r5, r6, r8}\n\t"
#endif
/* words of x of four pixels, from x on, and n bytes of w, a multiple of 8: sums of one channel, on
 * top of what they are */
INLINED void one_by_four(int32_t sums[4], const uint32_t *x, const int8_t *w, int n) {
#ifdef HAS_EIGHT_SUMS
#define FIRST_TWO(e) ADD_TWO("%[a]", "r4", "%[" #e "]") ADD_TWO("%[b]", "r5", "%[" #e "]")
#define LAST_TWO(e) ADD_TWO("%[c]", "r6", "%[" #e "]") ADD_TWO("%[d]", "r8", "%[" #e "]")
  const int8_t *end = w + n;
  uint32_t u, v, even, odd;
  SpillSlot stop;
  PUT_ASIDE(stop, end);
  __asm__ volatile(
      "1:\tldr %[u], [%[w]], #8\n\t" FOUR_WORDS "ldr %[v], [%[w], #-4]\n\t"
      "sxtb16 %[even], %[u]\n\t" FIRST_TWO(even) "sxtb16 %[odd], %[u], ror #8\n\t"
      LAST_TWO(even) FOUR_WORDS "sxtb16 %[even], %[v]\n\t" FIRST_TWO(odd) LAST_TWO(odd)
      "vmov %[u], %[stop]\n\t" FOUR_WORDS "sxtb16 %[odd], %[v], ror #8\n\t" FIRST_TWO(even)
      "cmp %[w], %[u]\n\t" LAST_TWO(even) FOUR_WORDS FIRST_TWO(odd) LAST_TWO(odd) "bne 1b"
      : [a] "+r"(sums[0]), [b] "+r"(sums[1]), [c] "+r"(sums[2]), [d] "+r"(sums[3]), [x] "+r"(x),
        [w] "+r"(w), [u] "=&r"(u), [v] "=&r"(v), [even] "=&r"(even), [odd] "=&r"(odd)
      : [stop] "t"(stop)
      : "r4", "r5", "r6", "r8", "cc", "memory");
#else
  for (; n > 0; n -= 4, w += 4, x += 8) {
    uint32_t bytes = load_bytes(w), even = sxtb16(bytes), odd = sxtb16_ror8(bytes);
    for (int k = 0; k < 4; k++) sums[k] = smlad(x[4 + k], odd, smlad(x[k], even, sums[k]));
  }
#endif
}

/* all channels of four pixels, from words of x and the bytes of w, a multiple of 8 in each row */
static ONE_COPY void rows_by_four(const Layer *layer, int8_t *y, const uint32_t *x) {
  const int8_t *w = layer->w;
  const int32_t *b = layer->b, *q = layer->q;
  int O = layer->O;
  for (int o = 0; o < O; o++, w += layer->K, y++) {
    int32_t sums[] = {b[o], b[o], b[o], b[o]}, twice = doubled(q[o]);
    int32_t unit = unit_of(q[o], q[O + o], layer->rectified), zero = layer->zero;
    one_by_four(sums, x, w, layer->K);
    if (unit) {
      for (int k = 0; k < 4; k++) sums[k] = smmlar(sums[k], twice, sums[k]);
      for (int k = 0; k < 4; k++) sums[k] = smmlar(sums[k], unit, zero);
      for (int k = 0; k < 4; k++) y[k * O] = (int8_t)ssat8(sums[k]);
    } else {
      Channel c = {b[o], twice, unit, q[O + o]};
      store_each(y, O, sums, 4, 1, &c, zero);
    }
  }
}

/* four bytes of each row of w meet two pixels' words of x */
#define TWO_MEET_TWO                                                                        \
  LOAD_PAIR(s, t, x);                                                                       \
  even = sxtb16(u), p0 = smlad(s, even, p0), p1 = smlad(t, even, p1);                       \
  even = sxtb16(v), q0 = smlad(s, even, q0), q1 = smlad(t, even, q1);                       \
  u = sxtb16_ror8(u), v = sxtb16_ror8(v);                                                   \
  LOAD_PAIR(s, t, x);                                                                       \
  p0 = smlad(s, u, p0), p1 = smlad(t, u, p1), q0 = smlad(s, v, q0), q1 = smlad(t, v, q1)

/* channels o and o+1 of two pixels, `row` bytes apart, from words of x and the bytes of w */
static ONE_COPY void two_by_two(const Layer *layer, int8_t *y, int row, int o,
                                const uint32_t *x) {
  Channel c[2];
  channels_of(c, 2, layer, o);
  int32_t p0 = c[0].bias, p1 = p0, q0 = c[1].bias, q1 = q0;
  int n = layer->K;
  const int8_t *w0 = layer->w + o * n, *w1 = w0 + n;
  uint32_t u, v, s, t, even;
  const int8_t *end = w0 + (n & -8);
#ifdef HAS_EIGHT_SUMS
#define TWO_BY_TWO(then, last)                                                              \
  "sxtb16 %[even], %[u]\n\t" ADD_TWO("%[p0]", "r4", "%[even]")                              \
  "sxtb16 %[u], %[u], ror #8\n\t" ADD_TWO("%[p1]", "r5", "%[even]")                         \
  "sxtb16 %[even], %[v]\n\t" ADD_TWO("%[p0]", "r6", "%[u]") ADD_TWO("%[p1]", "r8", "%[u]")   \
  then ADD_TWO("%[q0]", "r4", "%[even]") "sxtb16 %[v], %[v], ror #8\n\t"                     \
  ADD_TWO("%[q1]", "r5", "%[even]") ADD_TWO("%[q0]", "r6", "%[v]") last                     \
  ADD_TWO("%[q1]", "r8", "%[v]")
  SpillSlot stop;
  PUT_ASIDE(stop, end);
  if (w0 != end)
    __asm__ volatile(
        "1:\tldr %[u], [%[w0]], #4\n\t" FOUR_WORDS "ldr %[v], [%[w1]], #4\n\t"
        TWO_BY_TWO("ldr %[u], [%[w0]], #4\n\t", "") "ldr %[v], [%[w1]], #4\n\t" FOUR_WORDS
        TWO_BY_TWO("vmov %[u], %[stop]\n\t", "cmp %[w0], %[u]\n\t") "bne 1b"
        : [p0] "+r"(p0), [p1] "+r"(p1), [q0] "+r"(q0), [q1] "+r"(q1), [x] "+r"(x), [w0] "+r"(w0),
          [w1] "+r"(w1), [u] "=&r"(u), [v] "=&r"(v), [even] "=&r"(even)
        : [stop] "t"(stop)
        : "r4", "r5", "r6", "r8", "cc", "memory");
#else
  while (w0 != end) {
    LOAD_WORD(u, w0);
    LOAD_WORD(v, w1);
    TWO_MEET_TWO;
  }
#endif
  for (n &= 7; n > 0; n -= 4, w0 += 4, w1 += 4) {
    int some = n < 4 ? n : 4;
    u = load_some(w0, some), v = load_some(w1, some);
    TWO_MEET_TWO;
  }
  y += o;
  if (c[0].unit && c[1].unit) {
    int8_t *next = y + row;
    int32_t zero = layer->zero, twice = c[0].twice, unit = c[0].unit;
    int8_t a = rescale_fast(p0, twice, unit, zero), b = rescale_fast(p1, twice, unit, zero);
    twice = c[1].twice, unit = c[1].unit;
    q0 = rescale_fast(q0, twice, unit, zero), q1 = rescale_fast(q1, twice, unit, zero);
    y[0] = a, y[1] = (int8_t)q0, next[0] = b, next[1] = (int8_t)q1;
  } else {
    int32_t sums[] = {p0, q0, p1, q1};
    store_each(y, row, sums, 2, 2, c, layer->zero);
  }
}
#undef TWO_MEET_TWO
#endif
