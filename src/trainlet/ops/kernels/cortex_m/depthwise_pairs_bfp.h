/* The input gradient of depthwise convolutions, four channels of two inputs at a time.  A stride
 * splits the inputs into phases, each of which meets only some taps, one column after the other.
 * A part of the map of factors m r lies on the stack in pairs of columns, zeros around it. */
#ifndef TRAINLET_DEPTHWISE_PAIRS_BFP_H
#define TRAINLET_DEPTHWISE_PAIRS_BFP_H
#include "bfp.h"
#include "dsp.h"
#include "factors_bfp.h"
#include <stdint.h>
enum { WORDS_OF_MAP = 640 };

/* what a part of one axis needs: `origin` is the first output it meets, `count` how many */
typedef struct { int origin, count; } Reach;
static inline Reach reach(int from, int to, int pad, int stride, int kernel) {
  int longest = (kernel + stride - 1) / stride, origin = (from + pad) / stride - longest + 1;
  Reach found = {origin, (to - 1 + pad) / stride - origin + 1};
  return found;
}

/* one phase of one axis: its first input, how many, their first tap, how many taps, and where in
 * the part the first window starts */
typedef struct { int first, count, tap, taps, start; } Phase;
static inline Phase phase(int k, int from, int to, int pad, int stride, int kernel, int origin) {
  Phase found = {from + k, (to - from - k + stride - 1) / stride, (from + k + pad) % stride, 0, 0};
  found.taps = (kernel - found.tap + stride - 1) / stride;
  found.start = (found.first + pad) / stride - found.taps + 1 - origin;
  return found;
}

static inline uint32_t two_columns(int32_t first, int32_t second, int before) {
  return pkhbt((uint32_t)(first >> before), (uint32_t)(second >> before));
}

/* factors of four channels of a row from column ox on, column pair by column pair, `apart` words
 * between them; zeros outside the row */
static ONE_COPY void scale_row(uint32_t *to, int apart, const void *row, int C, int ox, int OW,
                               int pairs, const uint32_t scales[2], int before, int bytes) {
  int32_t half = (1 << before) >> 1;
  for (; pairs > 0; pairs--, ox += 2, to += apart) {
    uint32_t a01 = 0, a23 = 0, b01 = 0, b23 = 0;
    if (ox >= 0 && ox < OW) {
      a01 = two_mantissas(row, ox * C, bytes), a23 = two_mantissas(row, ox * C + 2, bytes);
    }
    if (ox + 1 >= 0 && ox + 1 < OW) {
      b01 = two_mantissas(row, ox * C + C, bytes);
      b23 = two_mantissas(row, ox * C + C + 2, bytes);
    }
    to[0] = two_columns(smlabb(a01, scales[0], half), smlabb(b01, scales[0], half), before);
    to[1] = two_columns(smlatt(a01, scales[0], half), smlatt(b01, scales[0], half), before);
    to[2] = two_columns(smlabb(a23, scales[1], half), smlabb(b23, scales[1], half), before);
    to[3] = two_columns(smlatt(a23, scales[1], half), smlatt(b23, scales[1], half), before);
  }
}

/* the weights of four channels, the last tap of a phase first, for an input (a) and the next of
 * its phase (b), whose window starts a column later */
static ONE_COPY void pair_taps_of(uint32_t *to, const int8_t *w, int C, int KW, int SH, int SW,
                                  const Phase *down, const Phase *across) {
  int odd = across->start & 1, pairs = (odd + across->taps + 2) / 2;
  for (int p = 0; p < pairs; p++)
    for (int ky = down->tap + SH * (down->taps - 1); ky >= 0; ky -= SH) {
      uint32_t even[3], rest[3];
      for (int k = 0; k < 3; k++) {
        int tap = across->taps - (2 * p - odd + k);
        int kx = across->tap + SW * tap;
        uint32_t four = tap >= 0 && tap < across->taps ? load_bytes(w + (ky * KW + kx) * C) : 0;
        even[k] = sxtb16(four), rest[k] = sxtb16_ror8(four);
      }
      to[0] = pkhbt(even[1], even[2]), to[1] = pkhbt(rest[1], rest[2]);
      to[2] = pkhbt(even[0], even[1]), to[3] = pkhbt(rest[0], rest[1]);
      to[4] = pkhtb(even[2], even[1]), to[5] = pkhtb(rest[2], rest[1]);
      to[6] = pkhtb(even[1], even[0]), to[7] = pkhtb(rest[1], rest[0]);
      to += 8;
    }
}

/* inputs of four channels: where the first of a row lies in dx, elements to the next of its phase */
typedef struct {
  void *dx;
  int at, step, after, bytes;
  int rows, pairs, apart; /* of a window: rows, column pairs, words between these */
} Inputs;

/* one row of a phase; returns the largest sum if dx is NULL */
static ONE_COPY int32_t row_of_inputs(const Inputs *q, const uint32_t *map, const uint32_t *w,
                                      int count) {
  int32_t half = q->dx ? (1 << q->after) >> 1 : 0, top = 0;
  int at = q->at;
  for (; count > 0; count -= 2, map += q->apart, at += 2 * q->step) {
    int32_t sums[8];
    int32_t a0 = half, a1 = half, a2 = half, a3 = half, b0 = half, b1 = half, b2 = half, b3 = half;
    const uint32_t *column = map, *taps = w;
    for (int pairs = q->pairs; pairs > 0; pairs--, column += q->apart) {
      const uint32_t *g = column, *end = column + 4 * q->rows;
      do {
        uint32_t s, t, u, v;
        LOAD_PAIR(s, t, g);
        LOAD_PAIR(u, v, taps);
        a0 = smlad(s, u, a0), a1 = smlad(t, v, a1);
        LOAD_PAIR(u, v, taps);
        b0 = smlad(s, u, b0), b1 = smlad(t, v, b1);
        LOAD_PAIR(s, t, g);
        LOAD_PAIR(u, v, taps);
        a2 = smlad(s, u, a2), a3 = smlad(t, v, a3);
        LOAD_PAIR(u, v, taps);
        b2 = smlad(s, u, b2), b3 = smlad(t, v, b3);
      } while (g != end);
    }
    sums[0] = a0, sums[1] = a1, sums[2] = a2, sums[3] = a3;
    sums[4] = b0, sums[5] = b1, sums[6] = b2, sums[7] = b3;
    if (q->dx) {
      put_four(q->dx, at, sums, q->after, q->bytes);
      if (count > 1) put_four(q->dx, at + q->step, sums + 4, q->after, q->bytes);
    } else {
      for (int k = 0; k < (count > 1 ? 8 : 4); k++) top = larger(top, sums[k]);
    }
  }
  return top;
}

static inline int words_of_part(int height, int width, int SH, int SW, int KH, int KW) {
  int rows = (height + SH - 1) / SH + (KH + SH - 1) / SH;
  return 4 * rows * (((width + SW - 1) / SW + (KW + SW - 1) / SW + 4) / 2);
}
static inline int words_of_taps(int SH, int SW, int KH, int KW) {
  return 8 * ((KH + SH - 1) / SH) * (((KW + SW - 1) / SW + 3) / 2);
}
static inline int depthwise_fits(int C, int KH, int KW, int SH, int SW, int DH, int DW) {
  int words = words_of_taps(SH, SW, KH, KW) + words_of_part(1, 1, SH, SW, KH, KW);
  return C >= 4 && DH * DW == 1 && KH >= SH && KW >= SW && words <= WORDS_OF_MAP;
}

/* if depthwise_fits: dx written, or, if it is NULL, only its largest sum sought */
static ONE_COPY int32_t depthwise_pairs_bfp(
    void *dx, const void *g, const int8_t *w, const int16_t *r, Shifts shifts, int N, int H, int W,
    int C, int OH, int OW, int KH, int KW, int SH, int SW, int PT, int PL, int bytes) {
  uint32_t words[WORDS_OF_MAP], *map = words + words_of_taps(SH, SW, KH, KW);
  int tall = H, wide = W, most = WORDS_OF_MAP - words_of_taps(SH, SW, KH, KW);
  int32_t top = 0;
  while (words_of_part(tall, wide, SH, SW, KH, KW) > most)
    if (tall > 4 || wide == 1) tall = (tall + 1) / 2;
    else wide = (wide + 1) / 2;
  for (int quad = 0; quad < C; quad += 4) {
    int c = quad + 4 <= C ? quad : C - 4, made = 0;
    uint32_t scales[2] = {load_bytes(r + c), load_bytes(r + c + 2)};
    for (int part = 0; part < N * ((H + tall - 1) / tall); part++)
      for (int x0 = 0; x0 < W; x0 += wide) {
        int n = part / ((H + tall - 1) / tall), y0 = part % ((H + tall - 1) / tall) * tall;
        int y1 = y0 + tall < H ? y0 + tall : H, x1 = x0 + wide < W ? x0 + wide : W;
        Reach down = reach(y0, y1, PT, SH, KH), across = reach(x0, x1, PL, SW, KW);
        int pairs = (across.count + 3) / 2, column = 4 * down.count;
        for (int k = 0; k < down.count; k++) {
          int oy = down.origin + k, inside = oy >= 0 && oy < OH;
          const void *row = (const int8_t *)g + ((n * OH + (inside ? oy : 0)) * OW * C + c) * bytes;
          scale_row(map + 4 * k, column, row, C, across.origin, inside ? OW : 0, pairs, scales,
                    shifts.before, bytes);
        }
        for (int ky = 0; ky < SH && ky < y1 - y0; ky++)
          for (int kx = 0; kx < SW && kx < x1 - x0; kx++) {
            Phase v = phase(ky, y0, y1, PT, SH, KH, down.origin);
            Phase h = phase(kx, x0, x1, PL, SW, KW, across.origin);
            Inputs q = {dx, 0, SW * C, shifts.after, bytes, v.taps, ((h.start & 1) + h.taps + 2) / 2, column};
            if (SH * SW > 1 || !made) pair_taps_of(words, w + c, C, KW, SH, SW, &v, &h);
            made = 1;
            for (int k = 0; k < v.count; k++) {
              const uint32_t *first = map + h.start / 2 * column + 4 * (v.start + k);
              q.at = ((n * H + v.first + k * SH) * W + h.first) * C + c;
              top = larger(top, row_of_inputs(&q, first, words, h.count));
            }
          }
      }
  }
  return top;
}
#endif
