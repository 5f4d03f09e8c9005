/* The input gradient of depthwise convolutions, four channels of two inputs at a time.  A stride
 * splits the inputs into phases, each of which meets only some taps, one column after the other.
 * A part of the map of factors m r lies on the stack in pairs of columns, zeros around it. */
#ifndef TRAINLET_DEPTHWISE_PAIRS_BFP_H
#define TRAINLET_DEPTHWISE_PAIRS_BFP_H
#include "bfp.h"
#include "dsp.h"
#include "factors_bfp.h"
#include "put_fours.h"
#include <stdint.h>
enum { WORDS_OF_MAP = 608, WORDS_OF_SUMS = 96 };

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

INLINED void scale_columns(uint32_t *to, int apart, const void *row, int C, int ox, int OW,
                           int pairs, const uint32_t scales[2], int before, int bytes) {
  int32_t half = (1 << before) >> 1;
  uint32_t s01 = scales[0], s23 = scales[1];
  int at = ox * C;
  for (; pairs > 0; pairs--, ox += 2, at += 2 * C, to += apart) {
    uint32_t a01 = 0, a23 = 0, b01 = 0, b23 = 0;
    if (ox >= OW || ox < -1) {
      to[0] = to[1] = to[2] = to[3] = 0;
      continue;
    }
    if (ox >= 0) a01 = two_mantissas(row, at, bytes), a23 = two_mantissas(row, at + 2, bytes);
    if (ox + 1 < OW)
      b01 = two_mantissas(row, at + C, bytes), b23 = two_mantissas(row, at + C + 2, bytes);
    to[0] = two_columns(low_product(a01, s01, half), low_product(b01, s01, half), before);
    to[1] = two_columns(high_product(a01, s01, half), high_product(b01, s01, half), before);
    to[2] = two_columns(low_product(a23, s23, half), low_product(b23, s23, half), before);
    to[3] = two_columns(high_product(a23, s23, half), high_product(b23, s23, half), before);
  }
}

/* factors of four channels of a row from column ox on, column pair by column pair, `apart` words
 * between them; zeros outside the row */
static ONE_COPY void scale_row(uint32_t *to, int apart, const void *row, int C, int ox, int OW,
                               int pairs, const uint32_t scales[2], int before, int bytes) {
  if (OW == 0)
    for (; pairs > 0; pairs--, to += apart) to[0] = to[1] = to[2] = to[3] = 0;
  else if (bytes == 2)
    scale_columns(to, apart, row, C, ox, OW, pairs, scales, before, 2);
  else
    scale_columns(to, apart, row, C, ox, OW, pairs, scales, before, 1);
}

/* the weights of four channels, the last tap of a phase first, for an input (a) and the next of
 * its phase (b), whose window starts a column later */
static ONE_COPY void pair_taps_of(uint32_t *to, const int8_t *w, int C, int KW, int SH, int SW,
                                  const Phase *down, const Phase *across) {
  int odd = across->start & 1, pairs = (odd + across->taps + 2) / 2, taps = across->taps;
  for (int row = down->taps - 1; row >= 0; row--, to += 8) {
    const int8_t *first = w + ((down->tap + SH * row) * KW + across->tap) * C;
    uint32_t last = 0, *at = to;
    for (int tap = taps - 1 + odd, p = 0; p < pairs; p++, tap -= 2, at += 8 * down->taps) {
      int place = tap * SW * C;
      uint32_t here = (unsigned)tap < (unsigned)taps ? load_bytes(first + place) : 0;
      uint32_t next = (unsigned)(tap - 1) < (unsigned)taps ? load_bytes(first + place - SW * C) : 0;
      put_taps(at, here, next);
      put_taps(at + 2, last, here);
      last = next;
    }
  }
}

/* a row of a pair of columns of four channels meets the taps of two inputs */
#ifdef HAS_DSP
#define ROWS_MEET                                                                           \
  __asm__("ldrd %[s], %[t], [%[g]], #8\n\tldrd %[u], %[v], [%[w]], #8\n\t"                   \
          "smlad %[a0], %[s], %[u], %[a0]\n\tsmlad %[a1], %[t], %[v], %[a1]\n\t"            \
          "ldrd %[u], %[v], [%[w]], #8\n\t"                                                 \
          "smlad %[b0], %[s], %[u], %[b0]\n\tsmlad %[b1], %[t], %[v], %[b1]\n\t"            \
          "ldrd %[s], %[t], [%[g]], #8\n\tldrd %[u], %[v], [%[w]], #8\n\t"                   \
          "smlad %[a2], %[s], %[u], %[a2]\n\tsmlad %[a3], %[t], %[v], %[a3]\n\t"            \
          "ldrd %[u], %[v], [%[w]], #8\n\t"                                                 \
          "smlad %[b2], %[s], %[u], %[b2]\n\tsmlad %[b3], %[t], %[v], %[b3]"                 \
          : [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [a3] "+r"(a3), [b0] "+r"(b0),      \
            [b1] "+r"(b1), [b2] "+r"(b2), [b3] "+r"(b3), [g] "+r"(g), [w] "+r"(w),          \
            [s] "=&r"(s), [t] "=&r"(t), [u] "=&r"(u), [v] "=&r"(v)                          \
          :                                                                                 \
          : "memory")
#else
#define ROWS_MEET                                                                           \
  s = g[0], t = g[1], a0 = smlad(s, w[0], a0), a1 = smlad(t, w[1], a1);                     \
  b0 = smlad(s, w[2], b0), b1 = smlad(t, w[3], b1);                                         \
  s = g[2], t = g[3], a2 = smlad(s, w[4], a2), a3 = smlad(t, w[5], a3);                     \
  b2 = smlad(s, w[6], b2), b3 = smlad(t, w[7], b3), g += 4, w += 8;                         \
  u = v = 0, (void)u, (void)v
#endif

/* the inputs of one phase of a part: how many pairs of them in each of `lines`; their windows, of
 * `pairs` pairs of columns `apart` words from each other, and of `rows` rows; where sums begin */
typedef struct { int count, lines, pairs, apart, rows, first; } PhaseWindows;

INLINED void windows_of(int32_t *sums, const uint32_t *map, const uint32_t *taps,
                        const PhaseWindows *q, int rows) {
  intptr_t past = q->apart - 4 * rows, stop = (intptr_t)(taps + 8 * rows * q->pairs);
  SpillSlot to_next, end;
  PUT_ASIDE(to_next, past);
  PUT_ASIDE(end, stop);
  for (int line = 0; line < q->lines; line++, map += 4) {
    const uint32_t *first = map;
    for (int count = q->count; count > 0; count--, first += q->apart, sums += 8) {
      int32_t a0 = q->first, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
      const uint32_t *g = first, *w = taps;
      uint32_t s, t, u, v;
      do {
        for (int row = 0; row < rows; row++) { ROWS_MEET; }
        TAKE_BACK(past, to_next);
        TAKE_BACK(stop, end);
        g += past;
      } while ((intptr_t)w != stop);
      sums[0] = a0, sums[1] = a1, sums[2] = a2, sums[3] = a3;
      sums[4] = b0, sums[5] = b1, sums[6] = b2, sums[7] = b3;
    }
  }
}
#undef ROWS_MEET

/* sums of four channels of two inputs, line by line */
static ONE_COPY void dot_windows(int32_t *sums, const uint32_t *map, const uint32_t *taps,
                                  const PhaseWindows *q) {
  if (q->rows == 3) windows_of(sums, map, taps, q, 3);
  else if (q->rows == 4) windows_of(sums, map, taps, q, 4);
  else if (q->rows == 5) windows_of(sums, map, taps, q, 5);
  else windows_of(sums, map, taps, q, q->rows);
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

/* the part of a map that is on the stack at a time */
typedef struct { int tall, wide; } Part;

/* of the parts that fit, each side halved or not, that with which the fewest words are made in all;
 * the part of one input fits */
static ONE_COPY Part best_part(int H, int W, int SH, int SW, int KH, int KW) {
  Part best = {1, 1};
  int least = INT32_MAX, most = WORDS_OF_MAP - words_of_taps(SH, SW, KH, KW);
  for (int wide = W, more = 1; more; more = wide > 1, wide = (wide + 1) / 2)
    for (int tall = H, again = 1; again; again = tall > 1, tall = (tall + 1) / 2) {
      int words = words_of_part(tall, wide, SH, SW, KH, KW);
      int all = words * ((H + tall - 1) / tall) * ((W + wide - 1) / wide);
      if (words <= most && wide <= WORDS_OF_SUMS / 4 && all < least)
        best = (Part){tall, wide}, least = all;
    }
  return best;
}

/* if depthwise_fits: dx written, or, if it is NULL, only its largest sum sought */
static ONE_COPY int32_t depthwise_pairs_bfp(
    void *dx, const void *g, const int8_t *w, const int16_t *r, Shifts shifts, int N, int H, int W,
    int C, int OH, int OW, int KH, int KW, int SH, int SW, int PT, int PL, int bytes) {
  int32_t sums[WORDS_OF_SUMS];
  uint32_t words[WORDS_OF_MAP], *map = words + words_of_taps(SH, SW, KH, KW);
  Part part_size = best_part(H, W, SH, SW, KH, KW);
  int tall = part_size.tall, wide = part_size.wide;
  int32_t top = 0, half = dx ? half_of(shifts.after) : 0;
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
            int columns = ((h.start & 1) + h.taps + 2) / 2;
            PhaseWindows q = {(h.count + 1) / 2, 0, columns, column, v.taps, half};
            int most_lines = WORDS_OF_SUMS / (8 * q.count);
            if (SH * SW > 1 || !made) pair_taps_of(words, w + c, C, KW, SH, SW, &v, &h);
            made = 1;
            for (int line = 0; line < v.count; line += q.lines) {
              q.lines = v.count - line < most_lines ? v.count - line : most_lines;
              dot_windows(sums, map + h.start / 2 * column + 4 * (v.start + line), words, &q);
              for (int k = 0; k < q.lines; k++) {
                const int32_t *sum = sums + 8 * q.count * k;
                int at = ((n * H + v.first + (line + k) * SH) * W + h.first) * C + c;
                if (dx)
                  put_fours((int8_t *)dx + at * bytes, SW * C * bytes, sum, 4, h.count,
                            shifts.after, bytes);
                else
                  for (int one = 0; one < 4 * h.count; one++) top = larger(top, sum[one]);
              }
            }
          }
      }
  }
  return top;
}
#endif
