/* The input gradient of 1x1 convolutions and linear layers, two products an instruction: of some
 * pixels the factors m r of some outputs, scaled once, meet the weights of four channels, paired
 * once.  Sums stay on the stack until all outputs were met. */
#ifndef TRAINLET_POINTWISE_BFP_H
#define TRAINLET_POINTWISE_BFP_H
#include "add_products.h"
#include "bfp.h"
#include "dsp.h"
#include "factors_bfp.h"
#include "put_fours.h"
#include <stdint.h>
enum { BLOCK_PIXELS = 8, BLOCK_OUTPUTS = 64, BLOCK_CHANNELS = 48 };
enum { BLOCK_WORDS = BLOCK_PIXELS * (BLOCK_OUTPUTS / 2 + BLOCK_CHANNELS) };

/* factors of n outputs, from g[at] and from `next` behind it (none if that is zero), pair by pair
 * side by side; zeros up to `words` */
static ONE_COPY void scale_two(uint32_t *to, const void *g, int at, int next, const int16_t *r,
                               int n, int words, int before, int bytes) {
  int32_t half = (1 << before) >> 1;
  const uint32_t *end = to + words;
  for (int k = 0; k + 2 <= n; k += 2) {
    uint32_t scales = load_bytes(r + k);
    uint32_t first = two_factors(two_mantissas(g, at + k, bytes), scales, half, before);
    STORE_PAIR(to, first, two_factors(two_mantissas(g, at + next + k, bytes), scales, half, before));
  }
  if (n & 1) {
    uint32_t scale = (uint32_t)r[n - 1];
    uint32_t m0 = (uint32_t)mantissa(g, at + n - 1, bytes);
    uint32_t m1 = (uint32_t)mantissa(g, at + next + n - 1, bytes);
    to[0] = (uint32_t)(smlabb(m0, scale, half) >> before) & 0xFFFFu;
    to[1] = (uint32_t)(smlabb(m1, scale, half) >> before) & 0xFFFFu;
    to += 2;
  }
  while (to != end) *to++ = 0;
}

static inline uint32_t *pair_two_rows(uint32_t *to, uint32_t first, uint32_t second) {
  uint32_t pair[4];
  pair_bytes(pair, first, second);
  return put_pairs(to, pair);
}

/* rows o and o + 1 of four channels as four pairs; `n` rows, zeros up to `words` */
static ONE_COPY void pair_rows(uint32_t *to, const int8_t *w, int C, int n, int words) {
  const uint32_t *end = to + words;
  for (; n >= 4; n -= 4, w += 4 * C) {
    to = pair_two_rows(to, load_bytes(w), load_bytes(w + C));
    to = pair_two_rows(to, load_bytes(w + 2 * C), load_bytes(w + 3 * C));
  }
  for (; n > 0; n -= 2, w += 2 * C)
    to = pair_two_rows(to, load_bytes(w), n > 1 ? load_bytes(w + C) : 0);
  while (to != end) *to++ = 0;
}

static ONE_COPY void fill_words(uint32_t *to, int fours, uint32_t value) {
  for (; fours > 0; fours--) STORE_FOUR(to, value, value, value, value);
}

/* dx[P,C] = g[P,O] w[O,C], C at least 4: written, or, if dx is NULL, only its largest sum sought.
 * Where all outputs fit a block, the sums of four channels are done at once, which leaves room for
 * twice the pixels. */
static ONE_COPY int32_t pointwise_bfp(void *dx, const void *g, const int8_t *w, const int16_t *r,
                                      Shifts shifts, int P, int O, int C, int bytes) {
  int once = O <= BLOCK_OUTPUTS, most = once ? 2 * BLOCK_PIXELS : BLOCK_PIXELS;
  uint32_t factors[BLOCK_WORDS], rows[2 * BLOCK_OUTPUTS];
  int32_t *sums = (int32_t *)factors + most * BLOCK_OUTPUTS / 2, top = 0;
  int blocks = (C + BLOCK_CHANNELS - 1) / BLOCK_CHANNELS;
  int wide = once ? 4 : ((C + 3) / 4 + blocks - 1) / blocks * 4;
  for (int p0 = 0; p0 < P; p0 += most) {
    int pixels = P - p0 < most ? P - p0 : most, pairs = (pixels + 1) / 2;
    for (int c0 = 0; c0 < C; c0 += wide) {
      int quads = (C - c0 < wide ? C - c0 + 3 : wide) / 4;
      fill_words((uint32_t *)sums, 2 * pairs * quads, dx ? (uint32_t)half_of(shifts.after) : 0);
      for (int o0 = 0; o0 < O; o0 += BLOCK_OUTPUTS) {
        int n = O - o0 < BLOCK_OUTPUTS ? O - o0 : BLOCK_OUTPUTS, words = (n + 7) / 8 * 8;
        if (c0 == 0 || !once)
          for (int p = 0; p < pixels; p += 2)
            scale_two(factors + p / 2 * words, g, (p0 + p) * O + o0, p + 1 < pixels ? O : 0, r + o0,
                      n, words, shifts.before, bytes);
        for (int q = 0; q < quads; q++) {
          int c = c0 + 4 * q + 4 <= C ? c0 + 4 * q : C - 4;
          pair_rows(rows, w + o0 * C + c, C, n, 2 * words);
          add_products(sums + 8 * q, factors, rows, words, pairs, 8 * quads);
        }
      }
      if (dx && once) {
        int c = c0 + 4 <= C ? c0 : C - 4;
        put_fours((int8_t *)dx + (p0 * C + c) * bytes, C * bytes, sums, 4, pixels, shifts.after,
                  bytes);
        continue;
      }
      for (int p = 0; p < pixels; p++) {
        const int32_t *sum = sums + p / 2 * 8 * quads + (p & 1) * 4;
        if (!dx) {
          for (int q = 0; q < quads; q++)
            for (int k = 0; k < 4; k++) top = larger(top, sum[8 * q + k]);
          continue;
        }
        int whole = c0 + 4 * quads <= C ? quads : quads - 1;
        int8_t *to = (int8_t *)dx + ((p0 + p) * C + c0) * bytes;
        put_fours(to, 4 * bytes, sum, 8, whole, shifts.after, bytes);
        if (whole < quads) /* what is left of C overlaps what was */
          put_fours(to + (C - 4 - c0) * bytes, 0, sum + 8 * whole, 0, 1, shifts.after, bytes);
      }
    }
  }
  return top;
}
#endif
