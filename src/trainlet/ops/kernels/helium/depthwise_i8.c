#include "depthwise_i8.h"
#include "kernel.h"
#include "mve.h"
#include "rescale_fours_mve.h"
enum { BAND = 384, MOST_TAPS = 64, MOST_RESULTS = 32 }; /* all on the stack; the band in words */

static ONE_COPY void depthwise_i8_anyhow(DEPTHWISE_I8_PARAMETERS) {
  depthwise_i8_plain(DEPTHWISE_I8_ARGUMENTS);
}

static inline uint32_t load_word(const int8_t *p) {
  uint32_t word;
  __builtin_memcpy(&word, p, 4);
  return word;
}

/* Four channels of a map as a band of words, column by column: row r of column j is at j * KH + r.
 * So a window is one run of words, and a new row takes the places of the first one, a column
 * further. */
typedef struct {
  const int8_t *x;
  int H, row, C, KH; /* `row`: bytes of a row of the map */
  int left, inside, right; /* columns beside the map, and of the map */
  uint32_t zeros;
} Band;

static inline uint32_t *fill_columns(uint32_t *to, int n, const Band *k) {
  for (; n > 0; n--, to += k->KH) *to = k->zeros;
  return to;
}

static ONE_COPY void add_row(const Band *k, uint32_t *to, int y) {
  int n = k->inside, C = k->C, KH = k->KH;
  if (y < 0 || y >= k->H) {
    fill_columns(to, k->left + n + k->right, k);
    return;
  }
  const int8_t *from = k->x + y * k->row;
  to = fill_columns(to, k->left, k);
  for (; n >= 4; n -= 4, from += 4 * C, to += 4 * KH) {
    uint32_t first = load_word(from), second = load_word(from + C);
    uint32_t third = load_word(from + 2 * C), fourth = load_word(from + 3 * C);
    to[0] = first, to[KH] = second, to[2 * KH] = third, to[3 * KH] = fourth;
  }
  for (; n > 0; n--, from += C, to += KH) *to = load_word(from);
  fill_columns(to, k->right, k);
}

/* What windows meet: the taps of each channel, sixteen at a time in the order of the band, zeros
 * behind them; and the sums of all taps. */
typedef struct {
  int8_t taps[MOST_TAPS / 16][4][16];
  int32x4_t sums;
} Filter;

static ONE_COPY void take_filter(Filter *f, const int8_t *w, int C, int KH, int KW) {
  uint32_t *words = (uint32_t *)f->taps;
  int count = KH * KW, n = 0;
  for (int kx = 0; kx < KW; kx++)
    for (int ky = 0; ky < KH; ky++) words[n++] = load_word(w + (ky * KW + kx) * C);
  while (n & 15) words[n++] = 0;
  int32_t a = 0, b = 0, c = 0, d = 0;
  for (int k = 0; k < count; k += 16) {
    int8_t *to = f->taps[k / 16][0];
    int8x16x4_t taps = vld4q_s8(to);
    a = vaddvaq_s8(a, taps.val[0]), b = vaddvaq_s8(b, taps.val[1]);
    c = vaddvaq_s8(c, taps.val[2]), d = vaddvaq_s8(d, taps.val[3]);
    vst1q_s8(to, taps.val[0]), vst1q_s8(to + 16, taps.val[1]);
    vst1q_s8(to + 32, taps.val[2]), vst1q_s8(to + 48, taps.val[3]);
  }
  f->sums = four(a, b, c, d);
}

/* sixteen taps of four channels meet n windows, `step` bytes apart: sums[n][4] */
#define MEET_WINDOWS(before, dot, pixels)                                                   \
  __asm__ volatile(                                                                         \
      "vldrb.8 q4, [%[taps]]\n\tvldrb.8 q5, [%[taps], #16]\n\t"                             \
      "vldrb.8 q6, [%[taps], #32]\n\tvldrb.8 q7, [%[taps], #48]\n\t"                        \
      "dls lr, %[n]\n"                                                                      \
      "1:\t" before                                                                         \
      "vld40.8 {q0, q1, q2, q3}, [%[x]]\n\tvld41.8 {q0, q1, q2, q3}, [%[x]]\n\t"            \
      "vld42.8 {q0, q1, q2, q3}, [%[x]]\n\tvld43.8 {q0, q1, q2, q3}, [%[x]]\n\t"            \
      dot " r0, q0, q4\n\t" dot " r2, q1, q5\n\t"                                           \
      dot " r4, q2, q6\n\t" dot " r6, q3, q7\n\t"                                           \
      "stmia %[sums]!, {r0, r2, r4, r6}\n\t"                                                \
      "add %[x], %[x], %[step]\n\t"                                                         \
      "le lr, 1b"                                                                           \
      : [x] "+r"(x), [sums] "+r"(sums)                                                      \
      : [n] "r"(pixels), [step] "r"(step), [taps] "r"(taps)                                 \
      : "r0", "r2", "r4", "r6", "lr", "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "memory")

static ONE_COPY void meet_windows(int32_t *sums, const int8_t *taps, const uint32_t *x, int step,
                                  int n) {
  MEET_WINDOWS("", "vmladav.s8", n);
}
static ONE_COPY void meet_further(int32_t *sums, const int8_t *taps, const uint32_t *x, int step,
                                  int n) {
  MEET_WINDOWS("ldmia %[sums], {r0, r2, r4, r6}\n\t", "vmladava.s8", n);
}

/* how a layer's outputs are made: those of some columns at a time, and of some rows */
typedef struct {
  int columns, rows;
} Strip;

static inline Strip strip_of(int OH, int OW, int KH, int KW, int SH, int SW) {
  int room = BAND - MOST_TAPS - 2 * MOST_RESULTS;
  int most = room / KH < KW ? 0 : (room / KH - KW) / SW + 1;
  most = most < MOST_RESULTS ? most : MOST_RESULTS;
  int strips = most ? (OW + most - 1) / most : 1, rows = 2 * MOST_RESULTS / SH;
  return (Strip){most ? (OW + strips - 1) / strips : 0, rows < OH ? rows : OH};
}

static ONE_COPY void depthwise_fours(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *b,
                                     const int32_t *q, int N, int H, int W, int C, int OH, int OW,
                                     int KH, int KW, int SH, int SW, int PT, int PL, int ZX,
                                     Clamp clamp, Strip strip) {
  uint32_t band[BAND];
  int32_t sums[4 * MOST_RESULTS];
  Filter filter;
  int step = 4 * SW * KH, vectors = (KH * KW + 15) / 16;
  for (int quad = 0; quad < C; quad += 4) {
    int c = quad + 4 <= C ? quad : C - 4;
    take_filter(&filter, w + c, C, KH, KW);
    FourChannels channels = four_channels(b, q, C, c, ZX, filter.sums);
    for (int n = 0; n < N; n++)
      for (int ox = 0; ox < OW; ox += strip.columns) {
        int wide = OW - ox < strip.columns ? OW - ox : strip.columns;
        int columns = (wide - 1) * SW + KW, x0 = ox * SW - PL, first = x0 < 0 ? 0 : x0;
        int left = -x0 < 0 ? 0 : -x0 < columns ? -x0 : columns;
        int inside = W - first < columns - left ? W - first : columns - left;
        if (inside < 0) inside = 0;
        Band map = {x + (n * H * W + first) * C + c, H, W * C, C, KH, left, inside,
                    columns - left - inside, 0x01010101u * (uint8_t)ZX};
        for (int oy0 = 0; oy0 < OH; oy0 += strip.rows) {
          int end = oy0 + strip.rows < OH ? oy0 + strip.rows : OH, pixels = 0;
          int8_t *to = y + ((n * OH + oy0) * OW + ox) * C + c;
          uint32_t *window = band;
          for (int oy = oy0, row = 0; oy < end; oy++, window += SH) {
            for (; row < (oy - oy0) * SH + KH; row++)
              add_row(&map, band + row, oy0 * SH + row - PT);
            meet_windows(sums + 4 * pixels, filter.taps[0][0], window, step, wide);
            for (int v = 1; v < vectors; v++)
              meet_further(sums + 4 * pixels, filter.taps[v][0], window + 16 * v, step, wide);
            pixels += wide;
            if (wide == OW && oy + 1 < end && pixels + wide <= MOST_RESULTS) continue;
            rescale_fours(to, C, sums, pixels, &channels, &clamp);
            to += (wide == OW ? pixels : OW) * C;
            pixels = 0;
          }
        }
      }
  }
}

/* as the reference kernel, four channels at a time */
KERNEL ONE_COPY void k_depthwise_i8(DEPTHWISE_I8_PARAMETERS) {
  Clamp clamp = {ZY, low, high};
  Strip strip = strip_of(OH, OW, KH, KW, SH, SW);
  if (DH > 1 || DW > 1 || C < 4 || KH * KW > MOST_TAPS || strip.columns == 0 || strip.rows == 0)
    depthwise_i8_anyhow(DEPTHWISE_I8_ARGUMENTS);
  else
    depthwise_fours(y, x, w, b, q, N, H, W, C, OH, OW, KH, KW, SH, SW, PT, PL, ZX, clamp, strip);
}
