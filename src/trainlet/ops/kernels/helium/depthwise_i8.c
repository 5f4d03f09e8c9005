#include "depthwise_i8.h"
#include "depthwise_three_mve.h"
#include "kernel.h"
/* all on the stack: words of a map, vectors of taps, sums of four channels */
enum { BAND = 384, MOST_VECTORS = 6, MOST_RESULTS = 32 };

static ONE_COPY void depthwise_i8_generic(DEPTHWISE_I8_PARAMETERS) {
  depthwise_i8_plain(DEPTHWISE_I8_ARGUMENTS);
}

static inline uint32_t load_word(const int8_t *p) {
  uint32_t word;
  __builtin_memcpy(&word, p, 4);
  return word;
}

/* What windows meet: the taps of each channel, sixteen at a time in the order of the words, zeros
 * between and behind them; and the sums of all taps. */
typedef struct {
  int8_t taps[MOST_VECTORS][4][16];
  int32x4_t sums;
  int vectors;
} Filter;

static inline int vectors_of(int KH, int KW, int down, int across) {
  return ((KH - 1) * down + (KW - 1) * across + 16) / 16;
}

/* the words of neighbours are `down` and `across` from each other */
static ONE_COPY void take_filter(Filter *f, const int8_t *w, int C, int KH, int KW, int down,
                                 int across) {
  uint32_t *words = (uint32_t *)f->taps;
  int vectors = f->vectors = vectors_of(KH, KW, down, across);
  for (int k = 0; k < 4 * vectors; k++) vst1q_u32(words + 4 * k, vdupq_n_u32(0));
  for (int ky = 0; ky < KH; ky++, words += down)
    for (int kx = 0; kx < KW; kx++, w += C) words[kx * across] = load_word(w);
  int32_t a = 0, b = 0, c = 0, d = 0;
  int8_t *to = f->taps[0][0];
  for (; vectors > 0; vectors--, to += 64) {
    int8x16x4_t taps = vld4q_s8(to);
    a = vaddvaq_s8(a, taps.val[0]), b = vaddvaq_s8(b, taps.val[1]);
    c = vaddvaq_s8(c, taps.val[2]), d = vaddvaq_s8(d, taps.val[3]);
    vst1q_s8(to, taps.val[0]), vst1q_s8(to + 16, taps.val[1]);
    vst1q_s8(to + 32, taps.val[2]), vst1q_s8(to + 48, taps.val[3]);
  }
  f->sums = four(a, b, c, d);
}

/* windows to meet: `rows` of n, `step` bytes apart, and `skip` between rows */
typedef struct {
  const uint32_t *first;
  int rows, n, step, skip;
} Runs;

/* sixteen taps of four channels meet windows: sums[rows * n][4] */
#define MEET_WINDOWS(before, dot)                                                           \
  __asm__ volatile(                                                                         \
      "vldrb.8 q4, [%[taps]]\n\tvldrb.8 q5, [%[taps], #16]\n\t"                             \
      "vldrb.8 q6, [%[taps], #32]\n\tvldrb.8 q7, [%[taps], #48]\n"                          \
      "2:\tdls lr, %[n]\n"                                                                  \
      "1:\t" before                                                                         \
      "vld40.8 {q0, q1, q2, q3}, [%[x]]\n\tvld41.8 {q0, q1, q2, q3}, [%[x]]\n\t"            \
      "vld42.8 {q0, q1, q2, q3}, [%[x]]\n\tvld43.8 {q0, q1, q2, q3}, [%[x]]\n\t"            \
      dot " r0, q0, q4\n\t" dot " r2, q1, q5\n\t"                                           \
      dot " r4, q2, q6\n\t" dot " r6, q3, q7\n\t"                                           \
      "stmia %[sums]!, {r0, r2, r4, r6}\n\t"                                                \
      "add %[x], %[x], %[step]\n\t"                                                         \
      "le lr, 1b\n\t"                                                                       \
      "add %[x], %[x], %[skip]\n\t"                                                         \
      "subs %[rows], %[rows], #1\n\t"                                                       \
      "bne 2b"                                                                              \
      : [x] "+r"(x), [sums] "+r"(sums), [rows] "+r"(rows)                                   \
      : [n] "r"(k->n), [step] "r"(k->step), [skip] "r"(k->skip), [taps] "r"(taps)           \
      : "r0", "r2", "r4", "r6", "lr", "cc", "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", \
        "memory")

static ONE_COPY void meet_windows(int32_t *sums, const int8_t *taps, const Runs *k) {
  const uint32_t *x = k->first;
  int rows = k->rows;
  MEET_WINDOWS("", "vmladav.s8");
}
static ONE_COPY void meet_further(int32_t *sums, const int8_t *taps, const uint32_t *x,
                                  const Runs *k) {
  int rows = k->rows;
  MEET_WINDOWS("ldmia %[sums], {r0, r2, r4, r6}\n\t", "vmladava.s8");
}
static inline void meet_all(int32_t *sums, const Filter *f, const Runs *k) {
  meet_windows(sums, f->taps[0][0], k);
  for (int v = 1; v < f->vectors; v++) meet_further(sums, f->taps[v][0], k->first + 16 * v, k);
}

/* A small map with zero points around it, row by row: those between two rows stand to the right of
 * one and to the left of the other. */
typedef struct {
  int pitch, words, vectors;
} Flat;

static inline Flat flat_of(const DepthwiseLayer *k) {
  int right = at_least_0((k->OW - 1) * k->SW - k->PL + k->KW - k->W);
  int pitch = k->W + (right > k->PL ? right : k->PL);
  int vectors = vectors_of(k->KH, k->KW, pitch, 1);
  int below = at_least_0((k->OH - 1) * k->SH - k->PT + k->KH - k->H);
  return (Flat){pitch, (k->PT + k->H + below) * pitch + k->PL + 16, vectors};
}

/* H rows of W words, of pixels C bytes apart */
static ONE_COPY void take_map(uint32_t *to, const int8_t *x, int C, int H, int W, int pitch) {
  if (W & 3) {
    for (; H > 0; H--, to += pitch - W)
      for (int n = W; n > 0; n--, x += C) *to++ = load_word(x);
    return;
  }
  __asm__ volatile(
      "2:\tdls lr, %[quads]\n"
      "1:\tldr r0, [%[x]]\n\tldr r2, [%[x], %[C]]\n\t"
      "ldr r4, [%[x], %[C], lsl #1]\n\tldr r6, [%[x], %[C3]]\n\t"
      "add %[x], %[x], %[C], lsl #2\n\t"
      "stmia %[to]!, {r0, r2, r4, r6}\n\t"
      "le lr, 1b\n\t"
      "add %[to], %[to], %[gap]\n\t"
      "subs %[rows], %[rows], #1\n\tbne 2b"
      : [to] "+r"(to), [x] "+r"(x), [rows] "+r"(H)
      : [C] "r"(C), [C3] "r"(3 * C), [quads] "r"(W / 4), [gap] "r"(4 * (pitch - W))
      : "r0", "r2", "r4", "r6", "lr", "cc", "memory");
}

static ONE_COPY void depthwise_flat(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *b,
                                    const int32_t *q, const DepthwiseLayer *k, Flat flat) {
  uint32_t map[BAND];
  int32_t sums[4 * MOST_RESULTS];
  Filter filter;
  int C = k->C, most = MOST_RESULTS / k->OW;
  Runs runs = {map, 0, k->OW, 4 * k->SW, 4 * (k->SH * flat.pitch - k->OW * k->SW)};
  uint32x4_t zeros = vdupq_n_u32(0x01010101u * (uint8_t)k->ZX);
  for (int at = 0; at < BAND; at += 4) vst1q_u32(map + at, zeros);
  for (int quad = 0; quad < C; quad += 4) {
    int c = quad + 4 <= C ? quad : C - 4;
    take_filter(&filter, w + c, C, k->KH, k->KW, flat.pitch, 1);
    FourChannels channels = four_channels(b, q, C, c, k->ZX, filter.sums);
    for (int n = 0; n < k->N; n++) {
      take_map(map + k->PT * flat.pitch + k->PL, x + n * k->H * k->W * C + c, C, k->H, k->W,
               flat.pitch);
      for (int oy = 0; oy < k->OH; oy += most) {
        runs.first = map + oy * k->SH * flat.pitch;
        runs.rows = k->OH - oy < most ? k->OH - oy : most;
        meet_all(sums, &filter, &runs);
        rescale_fours(y + (n * k->OH + oy) * k->OW * C + c, C, sums, runs.rows * k->OW,
                      &channels, &k->clamp);
      }
    }
  }
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

static inline uint32_t *fill_beside(uint32_t *to, int n, int KH, uint32_t zeros) {
  for (; n > 0; n--, to += KH) *to = zeros;
  return to;
}

/* n words of pixels C bytes apart, which become KH words apart; returns what follows them */
INLINED uint32_t *take_row(uint32_t *to, const int8_t *x, int C, int n, int KH) {
  if (n > 3)
    __asm__ volatile(
        "dls lr, %[quads]\n"
        "1:\tldr r0, [%[x]]\n\tldr r2, [%[x], %[C]]\n\t"
        "ldr r4, [%[x], %[C], lsl #1]\n\tldr r6, [%[x], %[C3]]\n\t"
        "str r0, [%[to]]\n\tstr r2, [%[to], %[next]]\n\t"
        "str r4, [%[to], %[next], lsl #1]\n\tstr r6, [%[to], %[next3]]\n\t"
        "add %[x], %[x], %[C], lsl #2\n\tadd %[to], %[to], %[next], lsl #2\n\t"
        "le lr, 1b"
        : [to] "+r"(to), [x] "+r"(x)
        : [C] "r"(C), [C3] "r"(3 * C), [next] "r"(4 * KH), [next3] "r"(12 * KH),
          [quads] "r"(n >> 2)
        : "r0", "r2", "r4", "r6", "lr", "memory");
  for (n &= 3; n > 0; n--, x += C, to += KH) *to = load_word(x);
  return to;
}

static ONE_COPY void add_row(const Band *k, uint32_t *to, int y) {
  int inside = k->inside, KH = k->KH;
  if (y < 0 || y >= k->H) {
    fill_beside(to, k->left + inside + k->right, KH, k->zeros);
    return;
  }
  to = fill_beside(to, k->left, KH, k->zeros);
  to = take_row(to, k->x + y * k->row, k->C, inside, KH);
  fill_beside(to, k->right, KH, k->zeros);
}

/* a band's outputs: those of some columns, and of some rows */
typedef struct {
  int columns, rows;
} Strip;

static inline Strip strip_of(const DepthwiseLayer *k) {
  int room = (BAND - 16 - 2 * MOST_RESULTS) / k->KH;
  int most = room < k->KW ? 0 : (room - k->KW) / k->SW + 1;
  most = most < MOST_RESULTS ? most : MOST_RESULTS;
  int strips = most ? (k->OW + most - 1) / most : 1, rows = 2 * MOST_RESULTS / k->SH;
  return (Strip){most ? (k->OW + strips - 1) / strips : 0, rows < k->OH ? rows : k->OH};
}

/* the columns of a map under outputs from ox on */
static inline Band band_of(const DepthwiseLayer *k, const int8_t *x, int ox, int outputs) {
  int columns = (outputs - 1) * k->SW + k->KW, x0 = ox * k->SW - k->PL, first = at_least_0(x0);
  int left = at_least_0(-x0) < columns ? at_least_0(-x0) : columns;
  int inside = at_least_0(k->W - first < columns - left ? k->W - first : columns - left);
  return (Band){x + first * k->C, k->H, k->W * k->C, k->C, k->KH, left, inside,
                columns - left - inside, 0x01010101u * (uint8_t)k->ZX};
}

static ONE_COPY void depthwise_bands(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *b,
                                     const int32_t *q, const DepthwiseLayer *k, Strip strip) {
  uint32_t band[BAND];
  int32_t sums[4 * MOST_RESULTS];
  Filter filter;
  int C = k->C, OH = k->OH, OW = k->OW;
  for (int quad = 0; quad < C; quad += 4) {
    int c = quad + 4 <= C ? quad : C - 4;
    take_filter(&filter, w + c, C, k->KH, k->KW, 1, k->KH);
    FourChannels channels = four_channels(b, q, C, c, k->ZX, filter.sums);
    for (int n = 0; n < k->N; n++)
      for (int ox = 0; ox < OW; ox += strip.columns) {
        int wide = OW - ox < strip.columns ? OW - ox : strip.columns;
        Band map = band_of(k, x + n * k->H * k->W * C + c, ox, wide);
        for (int oy0 = 0; oy0 < OH; oy0 += strip.rows) {
          int end = oy0 + strip.rows < OH ? oy0 + strip.rows : OH;
          Runs runs = {band, 1, wide, 4 * k->SW * k->KH, 0};
          for (int oy = oy0, row = 0; oy < end; oy++, runs.first += k->SH) {
            for (; row < (oy - oy0) * k->SH + k->KH; row++)
              add_row(&map, band + row, oy0 * k->SH + row - k->PT);
            meet_all(sums, &filter, &runs);
            rescale_fours(y + ((n * OH + oy) * OW + ox) * C + c, C, sums, wide, &channels,
                          &k->clamp);
          }
        }
      }
  }
}

/* as the reference kernel, sixteen channels at a time, or four; a flat map costs vectors, a band
 * rows */
KERNEL ONE_COPY void k_depthwise_i8(DEPTHWISE_I8_PARAMETERS) {
  DepthwiseLayer layer = {N, H, W, C, OH, OW, KH, KW, SH, SW, PT, PL, ZX, {ZY, low, high}};
  if (DH == 1 && DW == 1 && fits_three(&layer, q)) {
    three_by_three(y, x, w, b, q, &layer);
    return;
  }
  Flat flat = flat_of(&layer);
  Strip strip = strip_of(&layer);
  int vectors = vectors_of(KH, KW, 1, KH), more = flat.vectors - vectors;
  if (DH > 1 || DW > 1 || C < 4 || vectors > MOST_VECTORS)
    depthwise_i8_generic(DEPTHWISE_I8_ARGUMENTS);
  else if (flat.words <= BAND && flat.vectors <= MOST_VECTORS && OW <= MOST_RESULTS &&
           more * OW <= 8 + W * SH / 4)
    depthwise_flat(y, x, w, b, q, &layer, flat);
  else if (strip.columns > 0 && strip.rows > 0)
    depthwise_bands(y, x, w, b, q, &layer, strip);
  else
    depthwise_i8_generic(DEPTHWISE_I8_ARGUMENTS);
}
