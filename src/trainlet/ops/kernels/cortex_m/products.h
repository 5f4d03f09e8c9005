/* Sums of products of bytes, two in an instruction: a map of int16 words made once on the stack
 * serves many outputs.  Four bytes become two words, (0, 2) and (1, 3), which are the same pairs
 * of elements for x and for w. */
#ifndef TRAINLET_PRODUCTS_H
#define TRAINLET_PRODUCTS_H
#include "dsp.h"
#include "rescale_fast.h"
#include <stdint.h>

enum { AT_ONCE = 8 }; /* products of a sum; rows are filled up with zeros to a multiple */

static inline void put_doubled(uint32_t *to, uint32_t bytes, int lanes, uint32_t zeros) {
  uint32_t even = ssub16(sxtb16(bytes), zeros), odd = ssub16(sxtb16_ror8(bytes), zeros);
  to[0] = sadd16(even, even);
  to[lanes] = sadd16(odd, odd);
}

/* 2 (x - zero) of n bytes of each of `count` pixels, `step` bytes apart: words `lanes` apart */
static ONE_COPY void widen_doubled(uint32_t *to, const int8_t *x, int n, int lanes, int zero,
                                   int count, int step) {
  uint32_t zeros = ((uint32_t)zero & 0xFFFFu) | (uint32_t)zero << 16;
  for (; count > 0; count--, x += step, to++) {
    uint32_t *word = to;
    const int8_t *at = x, *end = x + (n & -AT_ONCE);
    for (; at != end; at += 8, word += 4 * lanes) {
      put_doubled(word, load_bytes(at), lanes, zeros);
      put_doubled(word + 2 * lanes, load_bytes(at + 4), lanes, zeros);
    }
    int rest = n & (AT_ONCE - 1), head = rest < 4 ? rest : 4;
    if (rest) {
      put_doubled(word, head < 4 ? load_some(at, head) : load_bytes(at), lanes, zeros);
      put_doubled(word + 2 * lanes, load_some(at + 4, rest - head), lanes, zeros);
    }
  }
}

static inline void put_two(uint32_t *to, uint32_t first, uint32_t second) {
  to[0] = sxtb16(first), to[1] = sxtb16(second);
  to[2] = sxtb16_ror8(first), to[3] = sxtb16_ror8(second);
}

/* two rows of n weights as words, side by side */
static ONE_COPY void widen_two(uint32_t *to, const int8_t *w0, const int8_t *w1, int n) {
  const int8_t *end = w0 + (n & -AT_ONCE);
  for (; w0 != end; w0 += 8, w1 += 8, to += 8) {
    put_two(to, load_bytes(w0), load_bytes(w1));
    put_two(to + 4, load_bytes(w0 + 4), load_bytes(w1 + 4));
  }
  n &= AT_ONCE - 1;
  if (n) {
    int head = n < 4 ? n : 4;
    put_two(to, load_some(w0, head), load_some(w1, head));
    put_two(to + 4, load_some(w0 + 4, n - head), load_some(w1 + 4, n - head));
  }
}

/* two output channels of some pixels: where the first lies, bytes to the next pixel, and whether
 * both are rescaled the short way */
typedef struct {
  int8_t *y;
  int row, fast;
  int32_t zero;
  Channel c[2];
} Results;

/* the sums of one channel of four pixels */
INLINED void store_four(int8_t *y, int row, int32_t s0, int32_t s1, int32_t s2, int32_t s3,
                        const Channel *c, int32_t zero, int fast) {
  int32_t m = c->multiplier, right = c->right;
  if (fast) {
    y[0] = (int8_t)rescale_doubled(s0, m, right, zero);
    y[row] = (int8_t)rescale_doubled(s1, m, right, zero), y += 2 * row;
    y[0] = (int8_t)rescale_doubled(s2, m, right, zero);
    y[row] = (int8_t)rescale_doubled(s3, m, right, zero);
  } else {
    store(y, s0, c, zero), y += row;
    store(y, s1, c, zero), y += row;
    store(y, s2, c, zero), y += row;
    store(y, s3, c, zero);
  }
}

/* two words of w meet four pixels' words of x */
#define TWO_MEET_FOUR                                                                       \
  LOAD_PAIR(u, v, rows);                                                                    \
  LOAD_PAIR(s, t, x);                                                                       \
  p0 = smlad(s, u, p0), q0 = smlad(s, v, q0), p1 = smlad(t, u, p1), q1 = smlad(t, v, q1);   \
  LOAD_PAIR(s, t, x);                                                                       \
  p2 = smlad(s, u, p2), q2 = smlad(s, v, q2), p3 = smlad(t, u, p3), q3 = smlad(t, v, q3)

/* of four pixels at a time, from words of x and w */
static ONE_COPY void quads_by_two(const Results *r, const uint32_t *x, const uint32_t *w,
                                  int words, int quads) {
  int8_t *y = r->y;
  for (; quads > 0; quads--) {
    int32_t p0 = r->c[0].bias, p1 = p0, p2 = p0, p3 = p0;
    int32_t q0 = r->c[1].bias, q1 = q0, q2 = q0, q3 = q0;
    const uint32_t *rows = w, *end = x + words;
    do {
      uint32_t u, v, s, t;
      TWO_MEET_FOUR;
      TWO_MEET_FOUR;
      TWO_MEET_FOUR;
      TWO_MEET_FOUR;
    } while (x != end);
    if (r->fast) {
      store_four(y, r->row, p0, p1, p2, p3, &r->c[0], r->zero, 1);
      store_four(y + 1, r->row, q0, q1, q2, q3, &r->c[1], r->zero, 1);
    } else {
      store_four(y, r->row, p0, p1, p2, p3, &r->c[0], r->zero, 0);
      store_four(y + 1, r->row, q0, q1, q2, q3, &r->c[1], r->zero, 0);
    }
    y += 4 * r->row;
  }
}
#undef TWO_MEET_FOUR

/* four bytes of each row of w meet two pixels' words of x */
#define TWO_MEET_TWO(first, second)                                                         \
  u = first, v = second;                                                                    \
  LOAD_PAIR(s, t, x);                                                                       \
  even = sxtb16(u), p0 = smlad(s, even, p0), p1 = smlad(t, even, p1);                       \
  even = sxtb16(v), q0 = smlad(s, even, q0), q1 = smlad(t, even, q1);                       \
  u = sxtb16_ror8(u), v = sxtb16_ror8(v);                                                   \
  LOAD_PAIR(s, t, x);                                                                       \
  p0 = smlad(s, u, p0), p1 = smlad(t, u, p1), q0 = smlad(s, v, q0), q1 = smlad(t, v, q1)

/* of two pixels, from words of x and the n bytes of each row of w as they are */
static ONE_COPY void two_by_two(const Results *r, const uint32_t *x, const int8_t *w0,
                                const int8_t *w1, int n) {
  int32_t p0 = r->c[0].bias, p1 = p0, q0 = r->c[1].bias, q1 = q0;
  uint32_t u, v, s, t, even;
  for (const int8_t *end = w0 + (n & -AT_ONCE); w0 != end; w0 += 8, w1 += 8) {
    TWO_MEET_TWO(load_bytes(w0), load_bytes(w1));
    TWO_MEET_TWO(load_bytes(w0 + 4), load_bytes(w1 + 4));
  }
  for (n &= AT_ONCE - 1; n > 0; n -= 4, w0 += 4, w1 += 4) {
    int some = n < 4 ? n : 4;
    TWO_MEET_TWO(load_some(w0, some), load_some(w1, some));
  }
  store(r->y, p0, &r->c[0], r->zero);
  store(r->y + 1, q0, &r->c[1], r->zero);
  store(r->y + r->row, p1, &r->c[0], r->zero);
  store(r->y + r->row + 1, q1, &r->c[1], r->zero);
}
#undef TWO_MEET_TWO
#endif
