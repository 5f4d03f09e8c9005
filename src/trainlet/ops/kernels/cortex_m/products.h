/* Sums of products of bytes, two in an instruction: a map of int16 words made once on the stack
 * serves many outputs.  Four bytes become two words, (0, 2) and (1, 3), which are the same pairs
 * of elements for x and for w. */
#ifndef TRAINLET_PRODUCTS_H
#define TRAINLET_PRODUCTS_H
#include "dsp.h"
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
    for (; at != end; at += 8, word += 4 * lanes) {
      put_less(word, load_bytes(at), lanes, zeros);
      put_less(word + 2 * lanes, load_bytes(at + 4), lanes, zeros);
    }
    if (rest) {
      put_less(word, load_some(at, head), lanes, zeros);
      put_less(word + 2 * lanes, load_some(at + 4, rest - head), lanes, zeros);
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

/* what is the same for all of a layer */
typedef struct {
  const int8_t *w;
  const int32_t *b, *q;
  int O, K;
  int32_t zero;
} Layer;

/* the sums of one channel of four pixels whose results lie `row` bytes apart */
INLINED void store_four(int8_t *y, int row, int32_t s0, int32_t s1, int32_t s2, int32_t s3,
                        const Channel *c, int32_t zero, int fast) {
  int32_t twice = c->twice, right = c->right;
  if (fast) {
    y[0] = rescale_fast(s0, twice, right, zero);
    y[row] = rescale_fast(s1, twice, right, zero), y += 2 * row;
    y[0] = rescale_fast(s2, twice, right, zero);
    y[row] = rescale_fast(s3, twice, right, zero);
  } else {
    store(y, s0, c, zero), y += row;
    store(y, s1, c, zero), y += row;
    store(y, s2, c, zero), y += row;
    store(y, s3, c, zero);
  }
}

/* two words of w meet four pixels' words of x; both move on */
#define TWO_MEET_FOUR(w, x)                                                                 \
  LOAD_PAIR(u, v, w);                                                                       \
  LOAD_PAIR(s, t, x);                                                                       \
  p0 = smlad(s, u, p0), q0 = smlad(s, v, q0), p1 = smlad(t, u, p1), q1 = smlad(t, v, q1);   \
  LOAD_PAIR(s, t, x);                                                                       \
  p2 = smlad(s, u, p2), q2 = smlad(s, v, q2), p3 = smlad(t, u, p3), q3 = smlad(t, v, q3)

/* channels o and o+1 of four pixels at a time, from words of x and of the rows of w; y of the
 * first pixel */
static ONE_COPY void quads_by_two(const Layer *layer, int8_t *y, int o, const uint32_t *x,
                                  const uint32_t *w, int words, int quads) {
  Channel c0 = channel(layer->b, layer->q, layer->O, o);
  Channel c1 = channel(layer->b, layer->q, layer->O, o + 1);
  int row = layer->O, fast = is_fast(&c0) && is_fast(&c1);
  int32_t zero = layer->zero;
  for (y += o; quads > 0; quads--, y += 4 * row) {
    int32_t p0 = c0.bias, p1 = p0, p2 = p0, p3 = p0, q0 = c1.bias, q1 = q0, q2 = q0, q3 = q0;
    const uint32_t *rows = w, *end = x + words;
    do {
      uint32_t u, v, s, t;
      TWO_MEET_FOUR(rows, x);
      TWO_MEET_FOUR(rows, x);
      TWO_MEET_FOUR(rows, x);
      TWO_MEET_FOUR(rows, x);
    } while (x != end);
    HIDE(row);
    if (fast) {
      store_four(y, row, p0, p1, p2, p3, &c0, zero, 1);
      store_four(y + 1, row, q0, q1, q2, q3, &c1, zero, 1);
    } else {
      store_four(y, row, p0, p1, p2, p3, &c0, zero, 0);
      store_four(y + 1, row, q0, q1, q2, q3, &c1, zero, 0);
    }
  }
}

/* four bytes of each row of w meet two pixels' words of x */
#define TWO_MEET_TWO(first, second)                                                         \
  u = first, v = second;                                                                    \
  LOAD_PAIR(s, t, x);                                                                       \
  even = sxtb16(u), p0 = smlad(s, even, p0), p1 = smlad(t, even, p1);                       \
  even = sxtb16(v), q0 = smlad(s, even, q0), q1 = smlad(t, even, q1);                       \
  u = sxtb16_ror8(u), v = sxtb16_ror8(v);                                                   \
  LOAD_PAIR(s, t, x);                                                                       \
  p0 = smlad(s, u, p0), p1 = smlad(t, u, p1), q0 = smlad(s, v, q0), q1 = smlad(t, v, q1)

/* channels o and o+1 of two pixels, `row` bytes apart, from words of x and the bytes of w */
static ONE_COPY void two_by_two(const Layer *layer, int8_t *y, int row, int o,
                                const uint32_t *x) {
  Channel c0 = channel(layer->b, layer->q, layer->O, o);
  Channel c1 = channel(layer->b, layer->q, layer->O, o + 1);
  int32_t p0 = c0.bias, p1 = p0, q0 = c1.bias, q1 = q0, zero = layer->zero;
  int n = layer->K;
  const int8_t *w0 = layer->w + o * n, *w1 = w0 + n;
  uint32_t u, v, s, t, even;
  for (const int8_t *end = w0 + (n & -AT_ONCE); w0 != end; w0 += 8, w1 += 8) {
    TWO_MEET_TWO(load_bytes(w0), load_bytes(w1));
    TWO_MEET_TWO(load_bytes(w0 + 4), load_bytes(w1 + 4));
  }
  for (n &= AT_ONCE - 1; n > 0; n -= 4, w0 += 4, w1 += 4) {
    int some = n < 4 ? n : 4;
    TWO_MEET_TWO(load_some(w0, some), load_some(w1, some));
  }
  y += o;
  store(y, p0, &c0, zero), store(y + 1, q0, &c1, zero), y += row;
  store(y, p1, &c0, zero), store(y + 1, q1, &c1, zero);
}
#undef TWO_MEET_TWO
#endif
