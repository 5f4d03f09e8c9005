/* 3x3 depthwise windows, sixteen channels at a time.  A column has four rows of each channel, so
 * one vector holds four columns of a channel: the windows of two results, or of two rows of them.
 * For layers that clamp at the zero point, as those with a ReLU. */
#ifndef TRAINLET_DEPTHWISE_THREE_MVE_H
#define TRAINLET_DEPTHWISE_THREE_MVE_H
#include "rescale_fours_mve.h"
enum { GROUP = 16, COLUMN = 4 * GROUP, BAND_COLUMNS = 34 };

/* a layer's maps and windows, and how it rescales */
typedef struct {
  int N, H, W, C, OH, OW, KH, KW, SH, SW, PT, PL, ZX;
  Clamp clamp;
} DepthwiseLayer;

static inline int at_least_0(int x) { return x > 0 ? x : 0; }

/* four rows of pixels, `step` bytes apart */
typedef struct {
  const int8_t *at[4];
  int step[4];
} FourRows;

/* n columns; returns what follows them */
static ONE_COPY int8_t *take_columns(int8_t *to, const FourRows *k, int n) {
  const int8_t *a = k->at[0], *b = k->at[1], *c = k->at[2], *d = k->at[3];
  if (n > 0)
    __asm__ volatile(
        "dls lr, %[n]\n"
        "1:\tvldrb.8 q0, [%[a]]\n\tvldrb.8 q1, [%[b]]\n\t"
        "vldrb.8 q2, [%[c]]\n\tvldrb.8 q3, [%[d]]\n\t"
        "add %[a], %[a], %[ya]\n\tadd %[b], %[b], %[yb]\n\t"
        "add %[c], %[c], %[yc]\n\tadd %[d], %[d], %[yd]\n\t"
        "vst40.8 {q0, q1, q2, q3}, [%[to]]\n\tvst41.8 {q0, q1, q2, q3}, [%[to]]\n\t"
        "vst42.8 {q0, q1, q2, q3}, [%[to]]\n\tvst43.8 {q0, q1, q2, q3}, [%[to]]!\n\t"
        "le lr, 1b"
        : [to] "+r"(to), [a] "+r"(a), [b] "+r"(b), [c] "+r"(c), [d] "+r"(d)
        : [n] "r"(n), [ya] "r"(k->step[0]), [yb] "r"(k->step[1]), [yc] "r"(k->step[2]),
          [yd] "r"(k->step[3])
        : "lr", "q0", "q1", "q2", "q3", "memory");
  return to;
}

static inline int8_t *fill_columns(int8_t *to, const int8_t *zeros, int n) {
  int8x16_t zero = vld1q_s8(zeros);
  for (int8_t *end = to + n * COLUMN; to < end; to += GROUP) vst1q_s8(to, zero);
  return to;
}

/* some results of sixteen channels, from the map's (y0, x0) on: groups of `wide` columns */
typedef struct {
  int groups, wide, y0, x0, down; /* `down`: rows from group to group */
} Part;

/* the columns under them, group after group, with zero points beside the map */
static inline void take_part(int8_t *to, const DepthwiseLayer *k, const int8_t *x,
                               const int8_t *zeros, Part p) {
  FourRows map;
  int columns = p.wide * k->SW + 2, from = at_least_0(p.x0);
  int left = from - p.x0 < columns ? from - p.x0 : columns;
  int inside = at_least_0(k->W - from < columns - left ? k->W - from : columns - left);
  for (; p.groups > 0; p.groups--, p.y0 += p.down) {
    for (int n = 0; n < 4; n++) {
      int y = p.y0 + n, there = y >= 0 && y < k->H;
      map.at[n] = there ? x + (y * k->W + from) * k->C : zeros;
      map.step[n] = there ? k->C : 0;
    }
    to = take_columns(fill_columns(to, zeros, left), &map, inside);
    to = fill_columns(to, zeros, columns - left - inside);
  }
}

/* some channels of a part: their taps, first columns and results */
typedef struct {
  const int8_t *taps, *columns;
  int8_t *y;
  int n;
} Channels;

/* what a channel's sums become, and where */
typedef struct {
  int step, skip, turns; /* bytes from four results to the next, and behind a group; fours in each
                          * group, and 0x10000 for each further group */
  int C, ZX;
} Results;

/* The zero point and half of a result are added before the shift, so that one instruction multiplies
 * and adds; another one shifts results into the top byte and saturates. */
#define MEET_COLUMNS(first, second)                                                         \
  __asm__ volatile(                                                                         \
      "2:\tuxth %[a], %[turns]\n\tdls lr, %[a]\n"                                          \
      "1:\t" first second                                                                   \
      "vmov q0[2], q0[0], %[a], %[c]\n\tvmov q0[3], q0[1], %[b], %[d]\n\t"                  \
      "vadd.i32 q0, q0, %[bias]\n\t"                                                       \
      "vqrdmlash.s32 q0, %q[multiplier], %[addend]\n\t"                                    \
      "vqshl.s32 q0, %[shift]\n\tvshr.u32 q0, q0, #24\n\t"                                 \
      "vstrb.32 q0, [%[y], %q[places]]\n\t"                                                \
      "add %[y], %[y], %[step]\n\t"                                                        \
      "le lr, 1b\n\t"                                                                      \
      "vldrw.u32 q0, [%q[columns], #128]!\n\t"                                             \
      "add %[y], %[y], %[skip]\n\t"                                                        \
      "subs %[turns], %[turns], #0x10000\n\t"                                              \
      "bpl 2b"                                                                              \
      : [y] "+r"(y), [turns] "+r"(turns), [columns] "+w"(columns), [a] "=&Te"(p),           \
        [b] "=&Te"(u), [c] "=&Te"(v), [d] "=&Te"(z)                                         \
      : [step] "r"(k->step), [skip] "r"(k->skip), [bias] "r"(bias), [addend] "r"(addend),   \
        [shift] "r"(shift), [multiplier] "w"(multiplier), [places] "w"(places),             \
        [taps] "w"(taps), [right] "w"(right), [below] "w"(below), [both] "w"(both)          \
      : "lr", "cc", "q0", "memory")
#define NEXT(bytes) "vldrw.u32 q0, [%q[columns], #" bytes "]!\n\t"
#define FURTHER "vldrw.u32 q0, [%q[columns], #128]\n\t"
#define MEET(sum, taps) "vmladav.s8 %[" sum "], q0, %q[" taps "]\n\t"

/* the zero point behind the shift, where results are small and `less` than they should be */
static ONE_COPY void add_zero_point(int8_t *y, const Results *k, uint32x4_t places, int less) {
  for (int turns = k->turns; turns >= 0; turns -= 0x10000, y += k->skip)
    for (int n = turns & 0xFFFF; n > 0; n--, y += k->step) {
      int32x4_t x = vaddq_n_s32(vldrbq_gather_offset_s32(y, places), less);
      vstrbq_scatter_offset_s32(y, places, vaddq_n_s32(vmaxq_s32(x, vdupq_n_s32(0)), -128));
    }
}

/* windows of two columns of two rows; of four columns a column apart; of four columns two apart */
INLINED void meet_channels(Channels c, const Results *k, const int32_t *b, const int32_t *q,
                           uint32x4_t places, int two, int stride) {
  uint32x4_t from = vmulq_n_u32(vidupq_n_u32(0, 1), COLUMN);
  for (; c.n > 0; c.n--, c.taps += 4, c.columns += 4, c.y++, b++, q++) {
    uint32_t none = 0;
    int32x4_t middle = vldrwq_gather_offset_s32((const int32_t *)c.taps, from);
    int32x4_t one_on = vshlcq_s32(middle, &none, 32);
    int8x16_t taps = (int8x16_t)middle, right = (int8x16_t)one_on;
    int8x16_t below = (int8x16_t)vshlq_n_s32(middle, 8), both = (int8x16_t)vshlq_n_s32(one_on, 8);
    uint32x4_t columns = vaddq_n_u32(from, (uint32_t)(uintptr_t)c.columns);
    int32_t right_by = -q[k->C], shift = 24 - right_by, bias = *b - k->ZX * vaddvq_s8(taps);
    int32_t top = right_by < 23 ? right_by + 7 : 30; /* 128 units, or as many as do not overflow */
    int32_t addend = (1 << right_by >> 1) - (1 << top);
    int32_t p, u, v, z, turns = k->turns;
    int32x4_t multiplier = vdupq_n_s32(*q);
    int8_t *y = c.y;
    if (two)
      MEET_COLUMNS(NEXT("128") MEET("a", "taps") MEET("b", "right"),
                   MEET("c", "below") MEET("d", "both"));
    else if (stride == 1)
      MEET_COLUMNS(NEXT("256") MEET("a", "taps") MEET("b", "right"),
                   FURTHER MEET("c", "taps") MEET("d", "right"));
    else
      MEET_COLUMNS(NEXT("256") MEET("a", "taps") FURTHER MEET("b", "taps"),
                   NEXT("256") MEET("c", "taps") FURTHER MEET("d", "taps"));
    if (right_by > 23) add_zero_point(c.y, k, places, 1 << (30 - right_by));
  }
}
static ONE_COPY void two_rows(Channels c, const Results *k, const int32_t *b, const int32_t *q,
                              uint32x4_t places) {
  meet_channels(c, k, b, q, places, 1, 1);
}
static ONE_COPY void one_row(Channels c, const Results *k, const int32_t *b, const int32_t *q,
                             uint32x4_t places) {
  meet_channels(c, k, b, q, places, 0, 1);
}
static ONE_COPY void one_row_of_two(Channels c, const Results *k, const int32_t *b,
                                    const int32_t *q, uint32x4_t places) {
  meet_channels(c, k, b, q, places, 0, 2);
}

/* Results from (oy, ox) on of channels c to c + 15, of which those before `first` are there. */
static inline void three_by_three_part(int8_t *y, const DepthwiseLayer *k, const int32_t *b,
                                         const int32_t *q, const int8_t *taps,
                                         const int8_t *columns, Part p, int first) {
  int C = k->C, two = p.down == 2 * k->SH, row = k->OW * C;
  Results results = {two ? 2 * C : 4 * C, (two ? 2 * row : row) - p.wide * C,
                     p.wide / (two ? 2 : 4) + (p.groups - 1) * 0x10000, C, k->ZX};
  Channels some = {taps + 4 * first, columns + 4 * first - (two ? 128 : 256), y + first,
                   GROUP - first};
  if (two)
    two_rows(some, &results, b + first, q + first, (uint32x4_t)four(0, C, row, row + C));
  else if (k->SW == 1)
    one_row(some, &results, b + first, q + first, (uint32x4_t)four(0, C, 2 * C, 3 * C));
  else
    one_row_of_two(some, &results, b + first, q + first, (uint32x4_t)four(0, C, 2 * C, 3 * C));
}

/* how many of those left at once: a multiple of `each`, a power of two */
static inline int some_of(int left, int each, int most) {
  int n = left & -each;
  return n < most ? n : most;
}

static ONE_COPY void three_by_three(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *b,
                                    const int32_t *q, const DepthwiseLayer *k) {
  _Alignas(4) int8_t columns[BAND_COLUMNS * COLUMN], taps[4 * COLUMN] = {0};
  int8_t zeros[GROUP];
  int C = k->C, rows = k->SH * k->SW == 1 && k->OH > 1 ? 2 : 1, each = rows == 2 ? 2 : 4;
  int most = (BAND_COLUMNS - 2) / k->SW & -4;
  vst1q_s8(zeros, vdupq_n_s8((int8_t)k->ZX));
  for (int quad = 0; quad < C; quad += GROUP) {
    int c = quad + GROUP <= C ? quad : C - GROUP;
    const int8_t *tap = w + c;
    FourRows kernel = {{tap, tap + 3 * C, tap + 6 * C, taps + 3 * COLUMN}, {C, C, C, 0}};
    (void)take_columns(taps, &kernel, 3);
    for (int n = 0; n < k->N; n++)
      for (int ox = 0, wide; ox < k->OW; ox += wide) {
        if (k->OW - ox < each) ox = k->OW - each;
        wide = some_of(k->OW - ox, each, most);
        int groups = BAND_COLUMNS / (wide * k->SW + 2);
        for (int oy = 0, down; oy < k->OH; oy += down) {
          if (k->OH - oy < rows) oy = k->OH - rows;
          down = some_of(k->OH - oy, rows, groups * rows);
          Part part = {down / rows, wide, oy * k->SH - k->PT, ox * k->SW - k->PL, rows * k->SH};
          take_part(columns, k, x + n * k->H * k->W * C + c, zeros, part);
          three_by_three_part(y + ((n * k->OH + oy) * k->OW + ox) * C + c, k, b + c, q + c, taps,
                              columns, part, quad - c);
        }
      }
  }
}

/* whether all shifts are to the right, by at most 30 */
static inline int shifts_right(const int32_t *shift, int C) {
  int32x4_t most = vld1q_s32(shift), least = most;
  for (int c = 4; c < C; c += 4) {
    int32x4_t some = vld1q_s32(shift + (c + 4 <= C ? c : C - 4));
    most = vmaxq_s32(most, some), least = vminq_s32(least, some);
  }
  return vmaxvq_s32(vminvq_s32(0, least) < -30, most) <= 0;
}

/* Narrow maps are faster four channels at a time. */
static inline int fits_three(const DepthwiseLayer *k, const int32_t *q) {
  return k->KH == 3 && k->KW == 3 && k->SW <= 2 && k->C >= GROUP && k->OW >= 8 * k->SW &&
         k->clamp.zero == -128 && k->clamp.low == -128 && k->clamp.high == 127 &&
         shifts_right(q + k->C, k->C);
}
#endif
