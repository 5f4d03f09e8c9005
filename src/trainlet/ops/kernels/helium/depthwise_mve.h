/* The input gradient of depthwise convolutions, eight channels at a time: the factors of some rows,
 * with zeros beside them, meet the weights, of which the last row comes first. */
#ifndef TRAINLET_DEPTHWISE_MVE_H
#define TRAINLET_DEPTHWISE_MVE_H
#include "factors_mve.h"
/* on the stack; as many columns differ in their first tap */
enum { LANES = 8, MAP = 104 * LANES, TAPS = 49 * LANES, MOST_PHASES = 4 };

/* n pixels of eight channels */
INLINED int16_t *factors_of_pixels(int16_t *to, const void *g, int at, int C, int16x8_t r, int n,
                                   int before, int bytes) {
  for (; n > 0; n--, to += LANES, at += C) vst1q_s16(to, eight_factors(g, at, r, before, bytes));
  return to;
}
static inline int16_t *zeros_of_pixels(int16_t *to, int n) {
  for (; n > 0; n--, to += LANES) vst1q_s16(to, vdupq_n_s16(0));
  return to;
}

/* what outputs are there for one place: n of them from `first` on, the first one's tap */
typedef struct {
  int first, tap, n;
} Reach;

/* of `count` outputs, a stride apart, those that have a tap at `place` */
static inline Reach outputs_at(int place, int stride, int kernel, int count) {
  int first = place < kernel ? 0 : (place - kernel) / stride + 1, end = place / stride + 1;
  end = end < count ? end : count;
  return (Reach){first, kernel - 1 - place + first * stride, end - first};
}

/* The gradients of some columns of a row, `step` bytes from each other: each meets n elements and
 * n taps of some rows, and the next one those an element further. */
typedef struct {
  int n, count, step, after;
  int row, taps_row; /* bytes from row to row, and from the end of what is met to the next row */
  int gap, taps_gap;
  int map, taps, dx; /* where the first one has its first element, tap and place in a row */
} Run;

#define MEET_TAP                                                                            \
  "vldrh.16 q2, [%[map]], #16\n\tvldrh.16 q3, [%[taps]], #16\n\t"                           \
  "vmullb.s16 q4, q2, q3\n\tvadd.i32 q0, q0, q4\n\t"                                        \
  "vmullt.s16 q4, q2, q3\n\tvadd.i32 q1, q1, q4\n\t"
/* the same for two columns side by side */
#define MEET_TAP_TWICE                                                                      \
  "vldrh.16 q4, [%[taps]], #16\n\tvldrh.16 q5, [%[map]], #16\n\t"                           \
  "vmullb.s16 q6, q5, q4\n\tvadd.i32 q0, q0, q6\n\t"                                        \
  "vmullt.s16 q6, q5, q4\n\tvadd.i32 q1, q1, q6\n\tvldrh.16 q5, [%[map]]\n\t"               \
  "vmullb.s16 q6, q5, q4\n\tvadd.i32 q2, q2, q6\n\t"                                        \
  "vmullt.s16 q6, q5, q4\n\tvadd.i32 q3, q3, q6\n\t"
#define MEET_TAPS(tap) "dls lr, %[n]\n3:\t" tap "le lr, 3b\n\t"
#define CLEAR_TWO "vmov.i32 q0, #0\n\tvmov.i32 q1, #0\n\t"
/* what the loops do not need waits in registers for floats */
#define MEET_RUN(columns, zeros, taps_of_row, result)                                       \
  __asm__ volatile(                                                                         \
      "1:\t" zeros "vmov %[rows], %[all]\n"                                                 \
      "2:\t" taps_of_row                                                                    \
      "add %[map], %[map], %[row]\n\tadd %[taps], %[taps], %[taps_row]\n\t"                 \
      "subs %[rows], %[rows], #1\n\tbne 2b\n\t"                                             \
      "vmov %[rows], %[after]\n\t" result                                                   \
      "vmov %[rows], %[up]\n\tadd %[map], %[map], %[rows]\n\t"                              \
      "vmov %[rows], %[back]\n\tadd %[taps], %[taps], %[rows]\n\t"                          \
      "subs %[count], %[count], #1\n\tbne 1b"                                               \
      : [map] "+r"(map), [taps] "+r"(taps), [rows] "=&r"(rows), [to] "+l"(to),              \
        [count] "+r"(count), [top] "+r"(top)                                                \
      : [n] "r"(k->n), [row] "r"(k->gap), [taps_row] "r"(k->taps_gap),                      \
        [step] "r"(k->step), [all] "t"(all), [after] "t"(k->after),                         \
        [up] "t"(2 * LANES * columns - all * k->row), [back] "t"(-all * k->taps_row)        \
      : "lr", "cc", "q0", "q1", "q2", "q3", "q4", "q5", "q6", "memory")
#define PUT(even, odd, store)                                                               \
  "vrshl.s32 " even ", %[rows]\n\tvrshl.s32 " odd ", %[rows]\n\t"                           \
  "vmovnt.i32 " even ", " odd "\n\t" store " " even ", [%[to]]\n\t"                         \
  "add %[to], %[to], %[step]\n\t"
#define PUT_TWO PUT("q0", "q1", "vstrh.16") PUT("q2", "q3", "vstrh.16")
#define SEEK "vmaxav.s32 %[top], q0\n\tvmaxav.s32 %[top], q1\n\t"
#define CLEAR_FOUR CLEAR_TWO "vmov.i32 q2, #0\n\tvmov.i32 q3, #0\n\t"

/* written to dx, or, if that is NULL, the largest sum or `top` */
static ONE_COPY uint32_t meet_run(int8_t *dx, const Run *k, const int16_t *map,
                                  const int16_t *taps, int all, int bytes, uint32_t top) {
  int rows, left = k->count & 1, count = k->count / 2;
  int8_t *to = dx;
  if (!dx || bytes == 1) left = k->count;
  else if (count > 0 && k->n == 3)
    MEET_RUN(2, CLEAR_FOUR, MEET_TAP_TWICE MEET_TAP_TWICE MEET_TAP_TWICE, PUT_TWO);
  else if (count > 0) MEET_RUN(2, CLEAR_FOUR, MEET_TAPS(MEET_TAP_TWICE), PUT_TWO);
  count = left;
  if (count == 0) return top;
  if (!dx) MEET_RUN(1, CLEAR_TWO, MEET_TAPS(MEET_TAP), SEEK);
  else if (bytes == 1) MEET_RUN(1, CLEAR_TWO, MEET_TAPS(MEET_TAP), PUT("q0", "q1", "vstrb.16"));
  else MEET_RUN(1, CLEAR_TWO, MEET_TAPS(MEET_TAP), PUT("q0", "q1", "vstrh.16"));
  return top;
}

/* a layer's gradient: dx is NULL if only its largest sum is sought */
typedef struct {
  void *dx;
  const void *g;
  int H, W, C, OH, OW, KH, KW, SH, SW, PT, PL, bytes;
  Shifts shifts;
} Gradient;

/* Columns x0 to x1 of dx, eight channels of them from dx[at] on, and the outputs over them: those
 * from `left` on, `before`, `inside` and `behind` the map. */
typedef struct {
  int x0, x1, at, from, left, before, inside, behind;
} Stripe;

static inline int columns_of(const Gradient *k, int wide) {
  return k->SW == 1 ? wide + k->KW - 1 : (wide + k->KW - 2) / k->SW + 2;
}

static inline Stripe strip_at(const Gradient *k, int at, int from, int x0, int wide) {
  int x1 = x0 + wide < k->W ? x0 + wide : k->W, lowest = x0 + k->PL - k->KW + 1;
  int left = lowest >= 0 ? lowest / k->SW : -((k->SW - 1 - lowest) / k->SW);
  int right = (x1 - 1 + k->PL) / k->SW + 1, end = right < k->OW ? right : k->OW;
  int begin = left > 0 ? left : 0, inside = end > begin ? end - begin : 0;
  return (Stripe){x0, x1, at, from, left, begin - left, inside, right - begin - inside};
}

static ONE_COPY void factors_of_rows(int16_t *to, const Gradient *k, const Stripe *s, int y,
                                     int end, int16x8_t r) {
  int from = s->from + (y * k->OW + s->left + s->before) * k->C;
  for (; y < end; y++, from += k->OW * k->C) {
    to = zeros_of_pixels(to, s->before);
    to = factors_of_pixels(to, k->g, from, k->C, r, s->inside, k->shifts.before, k->bytes);
    to = zeros_of_pixels(to, s->behind);
  }
}

/* how many taps of a row are a stride from each other, and from the first one */
static inline int taps_from(const Gradient *k, int first) {
  return first < k->KW ? (k->KW - 1 - first) / k->SW + 1 : 0;
}

/* taps[KH][KW] of eight channels, the last one first; a stride apart of each row one phase after
 * another */
static inline void take_taps(int16_t *taps, const Gradient *k, const int8_t *w) {
  if (k->SW == 1) {
    int16_t *tap = taps + k->KH * k->KW * LANES;
    for (; tap != taps; w += k->C) vst1q_s16(tap -= LANES, vldrbq_s16(w));
    return;
  }
  for (int ky = k->KH - 1; ky >= 0; ky--)
    for (int first = 0; first < k->SW; first++)
      for (int n = taps_from(k, first) - 1; n >= 0; n--, taps += LANES)
        vst1q_s16(taps, vldrbq_s16(w + (ky * k->KW + first + n * k->SW) * k->C));
}

/* columns from x on whose first tap is the same; n is 0 where there is none */
static inline Run run_at(const Gradient *k, const Stripe *s, int x, int columns) {
  int first = (x + k->PL) % k->SW, n = taps_from(k, first), last = first + (n - 1) * k->SW;
  int row = 2 * LANES * columns, taps_row = 2 * LANES * k->SH * k->KW, before = 0;
  for (int phase = 0; phase < first; phase++) before += taps_from(k, phase);
  return (Run){n, (s->x1 - x + k->SW - 1) / k->SW, k->SW * k->C * k->bytes, -k->shifts.after, row,
               taps_row, row - 2 * LANES * n, taps_row - 2 * LANES * n,
               ((x + k->PL - last) / k->SW - s->left) * LANES, before * LANES,
               x * k->C * k->bytes};
}

static inline void put_zeros(int8_t *to, const Run *run, int bytes) {
  for (int n = run->count; n > 0; n--, to += run->step)
    if (bytes == 2) vst1q_s16((int16_t *)to, vdupq_n_s16(0));
    else vstrbq_s16(to, vdupq_n_s16(0));
}

/* eight channels of some columns */
static ONE_COPY uint32_t depthwise_strip(const Gradient *k, const Stripe *s, const int16_t *taps,
                                         int16x8_t r, uint32_t top) {
  int16_t factors[MAP];
  Run runs[MOST_PHASES];
  int columns = s->before + s->inside + s->behind, most = MAP / LANES / columns;
  int phases = k->SW < s->x1 - s->x0 ? k->SW : s->x1 - s->x0, bytes = k->bytes;
  int8_t *dx = k->dx ? (int8_t *)k->dx + s->at * bytes : 0;
  for (int n = 0; n < phases; n++) runs[n] = run_at(k, s, s->x0 + n, columns);
  for (int y = 0, oldest = 0, newest = -1; y < k->H; y++) {
    Reach down = outputs_at(y + k->PT, k->SH, k->KH, k->OH);
    if (down.n > 0 && newest < down.first + down.n) {
      oldest = down.first;
      newest = oldest + most < k->OH ? oldest + most : k->OH;
      factors_of_rows(factors, k, s, oldest, newest, r);
    }
    const int16_t *map = factors + (down.first - oldest) * columns * LANES;
    const int16_t *tap = taps + down.tap * k->KW * LANES;
    for (const Run *run = runs; run < runs + phases; run++)
      if (run->n > 0 && down.n > 0)
        top = meet_run(dx ? dx + run->dx : 0, run, map + run->map, tap + run->taps, down.n, bytes,
                       top);
      else if (dx)
        put_zeros(dx + run->dx, run, bytes);
    if (dx) dx += k->W * k->C * bytes;
  }
  return top;
}

/* all of dx, written or only its largest sum sought; the last channels may overlap those before */
static ONE_COPY int32_t depthwise_mve(const Gradient *k, const int8_t *w, const int16_t *r, int N) {
  int16_t taps[TAPS];
  int C = k->C, most = MAP / LANES / ((k->KH - 1) / k->SH + 1), wide = k->W;
  while (columns_of(k, wide) > most) wide--;
  uint32_t top = 0;
  for (int eight = 0; eight < C; eight += LANES) {
    int c = eight + LANES <= C ? eight : C - LANES;
    take_taps(taps, k, w + c);
    for (int n = 0; n < N; n++)
      for (int x = 0; x < k->W; x += wide) {
        int at = n * k->H * k->W * C + c, from = n * k->OH * k->OW * C + c;
        Stripe strip = strip_at(k, at, from, x, wide);
        top = depthwise_strip(k, &strip, taps, vld1q_s16(r + c), top);
      }
  }
  return (int32_t)top;
}

/* whether channels and kernel fill their places, and the outputs over one column fit theirs */
static inline int fits_lanes(const Gradient *k, int DH, int DW) {
  return DH == 1 && DW == 1 && k->SW <= MOST_PHASES && k->C >= LANES &&
         k->KH * k->KW * LANES <= TAPS &&
         columns_of(k, 1) * ((k->KH - 1) / k->SH + 1) * LANES <= MAP;
}
#endif
