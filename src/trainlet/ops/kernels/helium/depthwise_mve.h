/* The input gradient of depthwise convolutions, eight channels at a time: the factors of some rows,
 * with zeros beside them, meet the weights, of which the last one comes first. */
#ifndef TRAINLET_DEPTHWISE_MVE_H
#define TRAINLET_DEPTHWISE_MVE_H
#include "factors_mve.h"
enum { LANES = 8, MAP = 104 * LANES, TAPS = 49 * LANES }; /* on the stack */

/* n pixels of eight channels */
INLINED int16_t *factors_of_pixels(int16_t *to, const void *g, int at, int C, int16x8_t r, int n,
                                   int before, int bytes) {
  const int16_t *wide = (const int16_t *)g + at;
  const int8_t *narrow = (const int8_t *)g + at;
  for (; n > 0; n--, to += LANES) {
    int16x8_t m;
    if (bytes == 2) m = vld1q_s16(wide), wide += C;
    else m = vldrbq_s16(narrow), narrow += C;
    int32x4_t even = vrshlq_n_s32(vmullbq_int_s16(m, r), -before);
    int32x4_t odd = vrshlq_n_s32(vmulltq_int_s16(m, r), -before);
    vst1q_s16(to, vmovntq_s32(vreinterpretq_s16_s32(even), odd));
  }
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

/* The gradients of some columns of a row: each meets `rows` times n elements of the map, and the
 * next one those an element further; strides in bytes. */
typedef struct {
  const int16_t *map, *taps;
  int rows, n, row, taps_row, next_tap;
  int count, step, after;
} Run;

#define MEET_TAP(after, on)                                                                 \
  "vldrh.16 q2, [%[map]], #16\n\tvldrh.16 q3, [%[taps]]" after "\n\t" on                    \
  "vmullb.s16 q4, q2, q3\n\tvadd.i32 q0, q0, q4\n\t"                                        \
  "vmullt.s16 q4, q2, q3\n\tvadd.i32 q1, q1, q4\n\t"
#define NEXT_TAP MEET_TAP(", #16", "")
#define TAPS_OF_ROW "dls lr, %[n]\n3:\t" NEXT_TAP "le lr, 3b\n\t"
#define TAPS_APART                                                                          \
  "dls lr, %[n]\n3:\t" MEET_TAP("", "add %[taps], %[taps], %[next]\n\t") "le lr, 3b\n\t"
/* what the loops do not need waits in registers for floats */
#define MEET_RUN(taps_of_row, result)                                                       \
  __asm__ volatile(                                                                         \
      "1:\tvmov.i32 q0, #0\n\tvmov.i32 q1, #0\n\tvmov %[rows], %[all]\n"                    \
      "2:\t" taps_of_row                                                                    \
      "add %[map], %[map], %[row]\n\tadd %[taps], %[taps], %[taps_row]\n\t"                 \
      "subs %[rows], %[rows], #1\n\tbne 2b\n\t"                                             \
      "vmov %[rows], %[after]\n\t" result                                                   \
      "vmov %[rows], %[up]\n\tadd %[map], %[map], %[rows]\n\t"                              \
      "vmov %[rows], %[back]\n\tadd %[taps], %[taps], %[rows]\n\t"                          \
      "subs %[count], %[count], #1\n\tbne 1b"                                               \
      : [map] "+r"(map), [taps] "+r"(taps), [rows] "=&r"(rows), [to] "+l"(to),              \
        [count] "+r"(count), [top] "+r"(top)                                                \
      : [n] "r"(k->n), [row] "r"(row), [taps_row] "r"(taps_row), [next] "r"(k->next_tap),   \
        [step] "r"(k->step), [all] "t"(k->rows), [after] "t"(-k->after),                    \
        [up] "t"(16 - k->rows * k->row), [back] "t"(-k->rows * k->taps_row)                 \
      : "lr", "cc", "q0", "q1", "q2", "q3", "q4", "memory")
#define PUT(store)                                                                          \
  "vrshl.s32 q0, %[rows]\n\tvrshl.s32 q1, %[rows]\n\tvmovnt.i32 q0, q1\n\t" store           \
  " q0, [%[to]]\n\tadd %[to], %[to], %[step]\n\t"
#define SEEK "vmaxav.s32 %[top], q0\n\tvmaxav.s32 %[top], q1\n\t"

/* written to dx, or, if that is NULL, the largest sum or `top` */
static ONE_COPY uint32_t meet_run(void *dx, const Run *k, int bytes, uint32_t top) {
  const int16_t *map = k->map, *taps = k->taps;
  int row = k->row - k->n * 2 * LANES, taps_row = k->taps_row - k->n * k->next_tap;
  int rows, count = k->count, near = k->next_tap == 2 * LANES;
  int8_t *to = dx;
  if (!dx && near) MEET_RUN(TAPS_OF_ROW, SEEK);
  else if (!dx) MEET_RUN(TAPS_APART, SEEK);
  else if (bytes == 1 && near) MEET_RUN(TAPS_OF_ROW, PUT("vstrb.16"));
  else if (bytes == 1) MEET_RUN(TAPS_APART, PUT("vstrb.16"));
  else if (near && k->n == 3) MEET_RUN(NEXT_TAP NEXT_TAP NEXT_TAP, PUT("vstrh.16"));
  else if (near) MEET_RUN(TAPS_OF_ROW, PUT("vstrh.16"));
  else MEET_RUN(TAPS_APART, PUT("vstrh.16"));
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

static ONE_COPY void factors_of_rows(int16_t *to, const Gradient *k, const Stripe *s, int y, int end,
                                     int16x8_t r) {
  int from = s->from + (y * k->OW + s->left + s->before) * k->C;
  for (; y < end; y++, from += k->OW * k->C) {
    to = zeros_of_pixels(to, s->before);
    to = factors_of_pixels(to, k->g, from, k->C, r, s->inside, k->shifts.before, k->bytes);
    to = zeros_of_pixels(to, s->behind);
  }
}

/* columns whose first tap is the same, and zeros where there is none */
static inline uint32_t some_columns(const Gradient *k, const Stripe *s, int x, int y, Run run,
                                    uint32_t top) {
  int first = (x + k->PL) % k->SW, at = (s->at + (y * k->W + x) * k->C) * k->bytes;
  int last = first < k->KW ? first + (k->KW - 1 - first) / k->SW * k->SW : -1;
  int8_t *to = k->dx ? (int8_t *)k->dx + at : 0;
  run.count = (s->x1 - x + k->SW - 1) / k->SW;
  if (last >= 0 && run.rows > 0) {
    run.n = (last - first) / k->SW + 1;
    run.map += ((x + k->PL - last) / k->SW - s->left) * LANES;
    run.taps += (k->KW - 1 - last) * LANES;
    return meet_run(to, &run, k->bytes, top);
  }
  for (int n = to ? run.count : 0; n > 0; n--, to += run.step)
    if (k->bytes == 2) vst1q_s16((int16_t *)to, vdupq_n_s16(0));
    else vstrbq_s16(to, vdupq_n_s16(0));
  return top;
}

/* eight channels of some columns */
static ONE_COPY uint32_t depthwise_strip(const Gradient *k, const Stripe *s, const int16_t *taps,
                                         int16x8_t r, uint32_t top) {
  int16_t factors[MAP];
  int columns = s->before + s->inside + s->behind, most = MAP / LANES / columns;
  Run run = {.row = 2 * LANES * columns, .taps_row = 2 * LANES * k->SH * k->KW,
             .next_tap = 2 * LANES * k->SW, .step = k->SW * k->C * k->bytes,
             .after = k->shifts.after};
  for (int y = 0, oldest = 0, newest = -1; y < k->H; y++) {
    Reach down = outputs_at(y + k->PT, k->SH, k->KH, k->OH);
    if (down.n > 0 && newest < down.first + down.n) {
      oldest = down.first;
      newest = oldest + most < k->OH ? oldest + most : k->OH;
      factors_of_rows(factors, k, s, oldest, newest, r);
    }
    run.rows = down.n;
    run.map = factors + (down.first - oldest) * columns * LANES;
    run.taps = taps + down.tap * k->KW * LANES;
    for (int x = s->x0; x < s->x0 + k->SW && x < s->x1; x++)
      top = some_columns(k, s, x, y, run, top);
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
    int16_t *tap = taps + k->KH * k->KW * LANES;
    for (const int8_t *from = w + c; tap != taps; from += C)
      vst1q_s16(tap -= LANES, vldrbq_s16(from));
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
  return DH == 1 && DW == 1 && k->C >= LANES && k->KH * k->KW * LANES <= TAPS &&
         columns_of(k, 1) * ((k->KH - 1) / k->SH + 1) * LANES <= MAP;
}
#endif
