/* Sums of products of bytes, two in an instruction: a map of int16 words made once on the stack
 * serves many outputs.  Four bytes become two words, (0, 2) and (1, 3), which are the same pairs
 * of elements for x and for w. */
#ifndef TRAINLET_PRODUCTS_H
#define TRAINLET_PRODUCTS_H
#include "dsp.h"
#include "rescale_fast.h"
#include <stdint.h>

/* what a layer does to one output channel's sums: twice the bias, the multiplier, the shift right */
typedef struct {
  int32_t bias, multiplier, right;
} Channel;

static inline Channel channel(const int32_t *b, const int32_t *q, int O, int o) {
  return (Channel){2 * b[o], q[o], -q[O + o]};
}

/* 2 (x - zero) of n bytes as words, each `lanes` after the one before */
static inline void widen_doubled(uint32_t *to, const int8_t *x, int n, int lanes, int zero) {
  uint32_t both = ((uint32_t)zero & 0xFFFFu) | (uint32_t)zero << 16;
  for (; n > 0; n -= 4, x += 4, to += 2 * lanes) {
    uint32_t bytes = n < 4 ? load_some(x, n) : load_bytes(x);
    uint32_t even = ssub16(sxtb16(bytes), both), odd = ssub16(sxtb16_ror8(bytes), both);
    to[0] = sadd16(even, even);
    to[lanes] = sadd16(odd, odd);
  }
}

/* two rows of n weights as words, side by side; zeros behind */
static inline void widen_two(uint32_t *to, const int8_t *w0, const int8_t *w1, int n) {
  for (; n > 0; n -= 4, w0 += 4, w1 += 4, to += 4) {
    uint32_t first = n < 4 ? load_some(w0, n) : load_bytes(w0);
    uint32_t second = n < 4 ? load_some(w1, n) : load_bytes(w1);
    to[0] = sxtb16(first);
    to[1] = sxtb16(second);
    to[2] = sxtb16_ror8(first);
    to[3] = sxtb16_ror8(second);
  }
}

/* two output channels, p and q, of four pixels from words of x and w; results lie `row` apart */
static inline void four_by_two(int8_t *y0, int8_t *y1, int row, const uint32_t *x,
                               const uint32_t *w, int words, Channel p, Channel q, int zero) {
  int32_t p0 = p.bias, p1 = p0, p2 = p0, p3 = p0, q0 = q.bias, q1 = q0, q2 = q0, q3 = q0;
  for (const uint32_t *end = x + words; x != end;)
    for (int half = 0; half < 2; half++) {
      uint32_t u, v, s, t;
      LOAD_PAIR(u, v, w);
      LOAD_PAIR(s, t, x);
      p0 = smlad(s, u, p0), q0 = smlad(s, v, q0), p1 = smlad(t, u, p1), q1 = smlad(t, v, q1);
      LOAD_PAIR(s, t, x);
      p2 = smlad(s, u, p2), q2 = smlad(s, v, q2), p3 = smlad(t, u, p3), q3 = smlad(t, v, q3);
    }
  y0[0] = (int8_t)rescale_doubled(p0, p.multiplier, p.right, zero);
  y1[0] = (int8_t)rescale_doubled(q0, q.multiplier, q.right, zero);
  y0 += row, y1 += row;
  y0[0] = (int8_t)rescale_doubled(p1, p.multiplier, p.right, zero);
  y1[0] = (int8_t)rescale_doubled(q1, q.multiplier, q.right, zero);
  y0 += row, y1 += row;
  y0[0] = (int8_t)rescale_doubled(p2, p.multiplier, p.right, zero);
  y1[0] = (int8_t)rescale_doubled(q2, q.multiplier, q.right, zero);
  y0 += row, y1 += row;
  y0[0] = (int8_t)rescale_doubled(p3, p.multiplier, p.right, zero);
  y1[0] = (int8_t)rescale_doubled(q3, q.multiplier, q.right, zero);
}

/* the same of two pixels, from n bytes of each row of w as they are */
static inline void two_by_two(int8_t *y0, int8_t *y1, int row, const uint32_t *x,
                              const int8_t *w0, const int8_t *w1, int n, Channel p, Channel q,
                              int zero) {
  int32_t p0 = p.bias, p1 = p0, q0 = q.bias, q1 = q0;
  for (; n > 0; n -= 4, w0 += 4, w1 += 4) {
    uint32_t u = n < 4 ? load_some(w0, n) : load_bytes(w0), s, t;
    uint32_t v = n < 4 ? load_some(w1, n) : load_bytes(w1), even;
    LOAD_PAIR(s, t, x);
    even = sxtb16(u), p0 = smlad(s, even, p0), p1 = smlad(t, even, p1);
    even = sxtb16(v), q0 = smlad(s, even, q0), q1 = smlad(t, even, q1);
    u = sxtb16_ror8(u), v = sxtb16_ror8(v);
    LOAD_PAIR(s, t, x);
    p0 = smlad(s, u, p0), p1 = smlad(t, u, p1), q0 = smlad(s, v, q0), q1 = smlad(t, v, q1);
  }
  y0[0] = (int8_t)rescale_doubled(p0, p.multiplier, p.right, zero);
  y1[0] = (int8_t)rescale_doubled(q0, q.multiplier, q.right, zero);
  y0[row] = (int8_t)rescale_doubled(p1, p.multiplier, p.right, zero);
  y1[row] = (int8_t)rescale_doubled(q1, q.multiplier, q.right, zero);
}
#endif
