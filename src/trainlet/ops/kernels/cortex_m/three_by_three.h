/* Depthwise windows of 3x3 taps, four channels and a row of outputs at a time.  The rows of a
 * window become two words for each column and channel: the first two rows, and the third, which
 * shares its word with another channel and meets a weight of zero there.  The six words of weights
 * of a channel stay in registers while it passes the row.  The zero point of x is part of the
 * bias. */
#ifndef TRAINLET_THREE_BY_THREE_H
#define TRAINLET_THREE_BY_THREE_H
#include "dsp.h"
#include "rescale_fast.h"
#include "window.h"
#include <stdint.h>
enum { COLUMN_WORDS = 8, ROW_WORDS = 592 }; /* on the stack: columns of a row and its sums */

/* four channels: weights, column by column like the map, what to do with the sums, and the map */
typedef struct {
  uint32_t w[3][COLUMN_WORDS];
  int32_t bias[4];
  Channel c[4];
  uint32_t row[ROW_WORDS];
} FourChannels;

INLINED uint32_t *put_taps_of(uint32_t *to, uint32_t first, uint32_t third, uint32_t less,
                              int32_t *bias) {
  *bias = smlad(first, less, smlad(third, less, *bias));
  STORE_PAIR(to, first, third);
  return to;
}

/* the weights of the `rows` rows of taps that meet the map, from w on */
static ONE_COPY void pair_taps(FourChannels *to, const int8_t *w, int C, int rows, int zero) {
  uint32_t less = ((uint32_t)-zero & 0xFFFFu) * 0x10001u, *at = to->w[0];
  int32_t b0 = to->c[0].bias, b1 = to->c[1].bias, b2 = to->c[2].bias, b3 = to->c[3].bias;
  const uint32_t *end = at + 3 * COLUMN_WORDS;
  uint32_t use1 = rows > 0 ? ~0u : 0, use2 = rows > 1 ? ~0u : 0, use3 = rows > 2 ? ~0u : 0;
  int row2 = rows > 1 ? 3 * C : 0, row3 = rows > 2 ? 6 * C : 0;
  HIDE(end); /* else gcc unrolls the loop */
  for (; at != end; w += C) {
    uint32_t first = load_bytes(w) & use1, second = load_bytes(w + row2) & use2;
    uint32_t third = load_bytes(w + row3) & use3, even = sxtb16(third), odd = sxtb16_ror8(third);
    uint32_t low = pkhbt(first, second), high = pkhtb(second, first);
    uint32_t even_low = even & 0xFFFFu, odd_low = odd & 0xFFFFu;
    at = put_taps_of(at, sxtb16(low), even_low, less, &b0);
    at = put_taps_of(at, sxtb16_ror8(low), odd_low, less, &b1);
    at = put_taps_of(at, sxtb16(high), even - even_low, less, &b2);
    at = put_taps_of(at, sxtb16_ror8(high), odd - odd_low, less, &b3);
  }
  to->bias[0] = b0, to->bias[1] = b1, to->bias[2] = b2, to->bias[3] = b3;
}

/* columns of three rows of a map, `second` and `third` bytes below the first */
static ONE_COPY uint32_t *pair_columns_of(uint32_t *to, const int8_t *x, int second, int third,
                                          int C, int columns) {
  for (; columns > 0; columns--, x += C) {
    uint32_t a = load_bytes(x), b = load_bytes(x + second), c = load_bytes(x + third);
    uint32_t low = pkhbt(a, b), high = pkhtb(b, a), even = sxtb16(c), odd = sxtb16_ror8(c);
    uint32_t low0 = sxtb16(low), low1 = sxtb16_ror8(low);
    uint32_t high0 = sxtb16(high), high1 = sxtb16_ror8(high);
    STORE_FOUR(to, low0, even, low1, odd);
    STORE_FOUR(to, high0, even, high1, odd);
  }
  return to;
}

static ONE_COPY uint32_t *pad_columns(uint32_t *to, int columns, uint32_t zeros) {
  for (; columns > 0; columns--)
    for (int k = 0; k < COLUMN_WORDS; k += 4) STORE_FOUR(to, zeros, zeros, zeros, zeros);
  return to;
}

#if defined(HAS_DSP) && defined(__ARM_FP)
#define ADD_TO(sum, x, w, from) "smlad %[" #sum "], %[" #x "], %[" #w "], %[" #from "]\n\t"
#define COLUMN(at) "ldrd %[s], %[t], [%[x], #" #at "]\n\t"
#define FIRST(sum) ADD_TO(sum, s, u0, bias) ADD_TO(sum, t, v0, sum)
#define ONE(sum, k) ADD_TO(sum, s, u##k, sum) ADD_TO(sum, t, v##k, sum)
#define ONE_AND_FIRST(a, k, b)                                                              \
  ADD_TO(a, s, u##k, a) ADD_TO(b, s, u0, bias) ADD_TO(a, t, v##k, a) ADD_TO(b, t, v0, b)
#define TWO_SUMS(a, b)                                                                      \
  ADD_TO(a, s, u2, a) ADD_TO(b, s, u1, b) ADD_TO(a, t, v2, a) ADD_TO(b, t, v1, b)
#define STORE_SUMS(a, b) "strd %[" #a "], %[" #b "], [%[sums]], #8\n\t"
/* the end of a step, and whether the sums before the last two are the last */
#define LAST_ONE                                                                            \
  ADD_TO(a, s, u2, a) "vmov %[s], %[stop]\n\t" ADD_TO(a, t, v2, a) "cmp %[s], %[sums]\n\t"  \
  STORE_SUMS(c, a)
#define STEP_1                                                                              \
  "ldrd %[s], %[t], [%[x]], #128\n\t" FIRST(a) COLUMN(-96) ONE_AND_FIRST(a, 1, b)           \
  COLUMN(-64) TWO_SUMS(a, b) FIRST(c) COLUMN(-32) TWO_SUMS(b, c) STORE_SUMS(a, b) FIRST(a)  \
  COLUMN(0) TWO_SUMS(c, a) COLUMN(32) LAST_ONE
#define STEP_2                                                                              \
  "ldrd %[s], %[t], [%[x]], #256\n\t" FIRST(a) COLUMN(-224) ONE(a, 1)                       \
  COLUMN(-192) ONE_AND_FIRST(a, 2, b) COLUMN(-160) ONE(b, 1)                                \
  COLUMN(-128) ONE_AND_FIRST(b, 2, c) STORE_SUMS(a, b) COLUMN(-96) ONE(c, 1)                \
  COLUMN(-64) ONE_AND_FIRST(c, 2, a) COLUMN(-32) ONE(a, 1) COLUMN(0) LAST_ONE
#define PASS_ROW(text)                                                                      \
  __asm__ volatile("ldrd %[u0], %[v0], [%[t]]\n\tldrd %[u1], %[v1], [%[t], #32]\n\t"        \
                   "ldrd %[u2], %[v2], [%[t], #64]\n\t"                                     \
                   "1:\t" text "bne 1b"                                                              \
                   : [x] "+r"(x), [sums] "+r"(sums), [a] "=&r"(a), [b] "=&r"(b),            \
                     [c] "=&r"(c), [s] "=&r"(s), [t] "+r"(w), [u0] "=&r"(u0),               \
                     [v0] "=&r"(v0), [u1] "=&r"(u1), [v1] "=&r"(v1), [u2] "=&r"(u2),        \
                     [v2] "=&r"(v2)                                                         \
                   : [bias] "r"(bias), [stop] "t"(stop)                                     \
                   : "cc", "memory")
/* the sums of a channel, four at a time, the last beyond the outputs: columns from x on, weights
 * from w on */
INLINED void pass_row(int32_t *sums, int outputs, const uint32_t *x, const uint32_t *w,
                      int32_t bias, int SW) {
  uint32_t u0, v0, u1, v1, u2, v2, s;
  int32_t a, b, c, *end = sums + ((outputs + 3) & -4) - 2;
  SpillSlot stop;
  PUT_ASIDE(stop, end);
  if (SW == 1)
    PASS_ROW(STEP_1);
  else
    PASS_ROW(STEP_2);
}

/* sums up to `end`, four at a time, as bytes `step` apart, the short way */
INLINED int8_t *store_fours(int8_t *y, int step, const int32_t *sums, const int32_t *end,
                            const Channel *c, int32_t zero) {
  int32_t twice = c->twice, unit = c->unit, s0, s1, s2, s3, back = -step;
  __asm__ volatile(
      "1:\tldrd %[s0], %[s1], [%[sums]], #8\n\tldrd %[s2], %[s3], [%[sums]], #8\n\t"
      "smmlar %[s0], %[s0], %[twice], %[s0]\n\tsmmlar %[s1], %[s1], %[twice], %[s1]\n\t"
      "smmlar %[s2], %[s2], %[twice], %[s2]\n\tsmmlar %[s3], %[s3], %[twice], %[s3]\n\t"
      "smmlar %[s0], %[s0], %[unit], %[zero]\n\tsmmlar %[s1], %[s1], %[unit], %[zero]\n\t"
      "ssat %[s0], #8, %[s0]\n\tsmmlar %[s2], %[s2], %[unit], %[zero]\n\t"
      "ssat %[s1], #8, %[s1]\n\tsmmlar %[s3], %[s3], %[unit], %[zero]\n\t"
      "strb %[s0], [%[y]]\n\tssat %[s2], #8, %[s2]\n\tstrb %[s1], [%[y], %[step]]\n\t"
      "ssat %[s3], #8, %[s3]\n\tstrb %[s2], [%[y], %[step], lsl #1]\n\t"
      "add %[y], %[y], %[step], lsl #2\n\tcmp %[sums], %[end]\n\t"
      "strb %[s3], [%[y], %[back]]\n\tbne 1b"
      : [y] "+r"(y), [sums] "+r"(sums), [s0] "=&r"(s0), [s1] "=&r"(s1), [s2] "=&r"(s2),
        [s3] "=&r"(s3)
      : [step] "r"(step), [back] "r"(back), [end] "r"(end), [twice] "r"(twice),
        [unit] "r"(unit), [zero] "r"(zero)
      : "cc", "memory");
  return y;
}
#else
INLINED void pass_row(int32_t *sums, int outputs, const uint32_t *x, const uint32_t *w,
                      int32_t bias, int SW) {
  for (; outputs > 0; outputs--, x += SW * COLUMN_WORDS) {
    int32_t sum = bias;
    for (int k = 0; k < 3 * COLUMN_WORDS; k += COLUMN_WORDS)
      sum = smlad(x[k], w[k], smlad(x[k + 1], w[k + 1], sum));
    *sums++ = sum;
  }
}
INLINED int8_t *store_fours(int8_t *y, int step, const int32_t *sums, const int32_t *end,
                            const Channel *c, int32_t zero) {
  for (; sums != end; y += step) *y = rescale_fast(*sums++, c->twice, c->unit, zero);
  return y;
}
#endif

/* a layer, and how many outputs of a row lie on the stack */
typedef struct {
  const int8_t *x, *w;
  const int32_t *b, *q;
  int N, H, W, C, OH, OW, SH, SW, PT, PL, ZX, ZY, rectified, at_once;
} Layer3;

/* four channels of outputs from `start` on, of a row whose windows have `rows` rows from x on */
static ONE_COPY void outputs_of_row(const Layer3 *k, FourChannels *four, int8_t *y,
                                    const int8_t *x, int rows, int start) {
  int C = k->C, SW = k->SW, x0 = start * SW - k->PL;
  int outputs = k->OW - start < k->at_once ? k->OW - start : k->at_once;
  int columns = (outputs - 1) * SW + 3, below = k->W * C;
  int left = x0 >= 0 ? 0 : -x0 < columns ? -x0 : columns;
  int right = k->W - x0 < columns ? k->W - x0 : columns;
  uint32_t zeros = ((uint32_t)k->ZX & 0xFFFFu) * 0x10001u;
  uint32_t *at = pad_columns(four->row, left, zeros);
  if (right > left) {
    at = pair_columns_of(at, x + (x0 + left) * C, rows > 1 ? below : 0, rows > 2 ? 2 * below : 0, C,
                         right - left);
    left = right;
  }
  pad_columns(at, columns - left, zeros);
  int32_t *sums = (int32_t *)four->row + ROW_WORDS - k->at_once;
  y += start * C;
  for (const Channel *c = four->c; c != four->c + 4; c++, y++) {
    int ch = (int)(c - four->c), done = c->unit ? outputs & -4 : 0;
    pass_row(sums, outputs, four->row + 2 * ch, four->w[0] + 2 * ch, four->bias[ch], SW);
    int8_t *to = done ? store_fours(y, C, sums, sums + done, c, k->ZY) : y;
    if (done < outputs) store_each(to, C, sums + done, outputs - done, 1, c, k->ZY);
  }
}

static ONE_COPY void three_by_three(const Layer3 *k, FourChannels *four, int8_t *y) {
  int C = k->C;
  for (int quad = 0; quad < C; quad += 4) {
    int c = quad + 4 <= C ? quad : C - 4, made = 0;
    channels(four->c, 4, k->b, k->q, C, c, k->rectified);
    for (int n = 0; n < k->N; n++)
      for (int oy = 0; oy < k->OH; oy++) {
        int y0 = oy * k->SH - k->PT, ky0 = first_tap(y0, 1), rows = end_tap(y0, 1, k->H, 3) - ky0;
        if (rows < 0) rows = ky0 = 0, y0 = 0;
        if (made != rows * 4 + ky0 + 1) {
          pair_taps(four, k->w + ky0 * 3 * C + c, C, rows, k->ZX);
          made = rows * 4 + ky0 + 1;
        }
        const int8_t *x = k->x + (n * k->H + y0 + ky0) * k->W * C + c;
        for (int start = 0; start < k->OW; start += k->at_once)
          outputs_of_row(k, four, y + (n * k->OH + oy) * k->OW * C + c, x, rows, start);
      }
  }
}
#endif
