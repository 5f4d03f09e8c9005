#include "dsp.h"
#include "kernel.h"
#include "rescale_fast.h"
#include "three_by_three.h"
#include "window.h"
enum {
  BAND_WORDS = 640, /* on the stack: weights of four channels, and rows of the map */
  ROWS_AT_ONCE = 3          /* rows of a column pair */
};

/* sum of (x - zero) * w over taps C weights apart, in rows; steps of x to the next tap and row */
static ONE_COPY int32_t dot_taps(const int8_t *x, int column, int row, const int8_t *w, int C,
                                 int w_row, int rows, int columns, int zero) {
  int32_t sum = 0;
  for (; rows > 0; rows--, x += row, w += w_row) {
    const int8_t *xp = x, *wp = w;
    for (int k = columns; k > 0; k--, xp += column, wp += C) sum += (*xp - zero) * *wp;
  }
  return sum;
}

/* weights of four channels, column pair by column pair, for an output and for the next one, whose
 * window starts SW columns later: so many pairs later, and a column if SW is odd.  Zeros fill up
 * the last ROWS_AT_ONCE. */
static ONE_COPY void pair_weights(uint32_t *to, const int8_t *w, int C, int KH, int KW, int SW,
                                  int pairs) {
  for (uint32_t *at = to, *end = to + 8 * (KH * pairs + ROWS_AT_ONCE - 1); at != end;)
    for (int k = 0; k < 2; k++) STORE_FOUR(at, 0, 0, 0, 0);
  int later = 8 * KH * (SW / 2) + 2;
  for (int ky = 0; ky < KH; ky++, to += 8, w += KW * C) {
    const int8_t *row = w;
    uint32_t *at = to, last = 0;
    for (int left = KW; left > -(SW & 1); left -= 2, at += 8 * KH, row += 2 * C) {
      uint32_t first = left > 0 ? load_bytes(row) : 0, second = left > 1 ? load_bytes(row + C) : 0;
      put_taps(at, first, second);
      put_taps(at + later, SW & 1 ? last : first, SW & 1 ? first : second);
      last = second;
    }
  }
}

INLINED void put_columns(uint32_t *to, uint32_t first, uint32_t second, uint32_t zeros) {
  pair_bytes(to, first, second);
  for (int k = 0; k < 4; k++) to[k] = ssub16(to[k], zeros);
}

INLINED uint32_t *clear_pairs(uint32_t *to, int apart, int pairs) {
  for (; pairs > 0; pairs--, to += apart) to[0] = to[1] = to[2] = to[3] = 0;
  return to;
}

/* x - zero of four channels of a row, column pair by column pair, `apart` words between them;
 * columns before `left` and from `right` on are zero */
static ONE_COPY void widen_row(uint32_t *to, int apart, const int8_t *x, int C, int pairs,
                               int left, int right, int zero) {
  uint32_t zeros = ((uint32_t)zero & 0xFFFFu) | (uint32_t)zero << 16;
  uint32_t nothing = ((uint32_t)zero & 0xFFu) * 0x01010101u;
  int p = left < right ? left / 2 : pairs, whole = right / 2 < pairs ? right / 2 : pairs;
  to = clear_pairs(to, apart, p);
  x += 2 * p * C;
  if (p < pairs && left & 1) {
    put_columns(to, nothing, load_bytes(x + C), zeros);
    p++, to += apart, x += 2 * C;
  }
  for (; p < whole; p++, to += apart, x += 2 * C)
    put_columns(to, load_bytes(x), load_bytes(x + C), zeros);
  if (p < pairs && right & 1) {
    put_columns(to, load_bytes(x), nothing, zeros);
    p++, to += apart;
  }
  clear_pairs(to, apart, pairs - p);
}

/* the first `size` words of those up to `end`, four at a time, as many as there are */
INLINED void move_down(uint32_t *to, const uint32_t *from, const uint32_t *end, int size) {
  for (; size > 0 && from != end; size -= 4) {
    uint32_t a, b, c, d;
    LOAD_PAIR(a, b, from);
    LOAD_PAIR(c, d, from);
    STORE_FOUR(to, a, b, c, d);
  }
}

/* four channels of a row of outputs */
typedef struct {
  int C, zero, fast; /* fast: all four are rescaled the short way */
  int window, advance; /* words of a window; words to the next two outputs' */
  Channel c[4];
} Quad;

/* the sums of a channel of two outputs, first the second, the short way */
INLINED void store_two(int8_t *y, int8_t *next, int32_t a, int32_t b, const Channel *c,
                       int32_t zero) {
  int32_t twice = c->twice, unit = c->unit;
#ifdef HAS_DSP
  __asm__ volatile("smmlar %0, %0, %[twice], %0\n\tsmmlar %1, %1, %[twice], %1\n\t"
                   "smmlar %0, %0, %[unit], %[zero]\n\tsmmlar %1, %1, %[unit], %[zero]\n\t"
                   "ssat %0, #8, %0\n\tssat %1, #8, %1\n\tstrb %1, %[next]\n\tstrb %0, %[y]"
                   : "+r"(a), "+r"(b), [y] "=m"(*y), [next] "=m"(*next)
                   : [twice] "r"(twice), [unit] "r"(unit), [zero] "r"(zero));
#else
  *next = rescale_fast(b, twice, unit, zero);
  *y = rescale_fast(a, twice, unit, zero);
#endif
}

/* one row of a column pair, for two outputs */
#define TWO_WINDOWS_MEET                                                                    \
  LOAD_PAIR(s, t, x);                                                                       \
  LOAD_PAIR(u, v, weights);                                                                 \
  a0 = smlad(s, u, a0), a1 = smlad(t, v, a1);                                               \
  LOAD_PAIR(u, v, weights);                                                                 \
  b0 = smlad(s, u, b0), b1 = smlad(t, v, b1);                                               \
  LOAD_PAIR(s, t, x);                                                                       \
  LOAD_PAIR(u, v, weights);                                                                 \
  a2 = smlad(s, u, a2), a3 = smlad(t, v, a3);                                               \
  LOAD_PAIR(u, v, weights);                                                                 \
  b2 = smlad(s, u, b2), b3 = smlad(t, v, b3)

static ONE_COPY void row_of_outputs(const Quad *q, int8_t *y, int outputs,
                                    const uint32_t *first, const uint32_t *w) {
  for (; outputs > 0; outputs -= 2, first += q->advance) {
    int32_t a0 = q->c[0].bias, a1 = q->c[1].bias, a2 = q->c[2].bias, a3 = q->c[3].bias;
    int32_t b0 = a0, b1 = a1, b2 = a2, b3 = a3;
    const uint32_t *x = first, *weights = w;
    intptr_t stop = (intptr_t)(first + q->window);
    SpillSlot end;
    PUT_ASIDE(end, stop);
    do {
      uint32_t s, t, u, v;
      TWO_WINDOWS_MEET;
      TWO_WINDOWS_MEET;
      TWO_WINDOWS_MEET;
      TAKE_BACK(stop, end);
    } while ((intptr_t)x != stop);
    int8_t *next = y + (outputs > 1 ? q->C : 0); /* one that is none is overwritten */
    int32_t zero = q->zero;
    if (q->fast) {
      store_two(y, next, a0, b0, &q->c[0], zero);
      store_two(y + 1, next + 1, a1, b1, &q->c[1], zero);
      store_two(y + 2, next + 2, a2, b2, &q->c[2], zero);
      store_two(y + 3, next + 3, a3, b3, &q->c[3], zero);
    } else {
      int32_t sums[] = {b0, b1, b2, b3, a0, a1, a2, a3};
      store_each(next, (int)(y - next), sums, 2, 4, q->c, q->zero);
    }
    y = next + q->C;
  }
}
#undef TWO_WINDOWS_MEET

/* as the reference kernel, four channels at a time.  Each row of the map is widened once, into a
 * band of KH rows that interlace: a step down is a step of the band's start.  One output at a
 * time for dilated windows, for fewer channels, and for windows that are too large. */
KERNEL ONE_COPY void k_depthwise_i8(int8_t *restrict y, const int8_t *x, const int8_t *w,
                                    const int32_t *b, const int32_t *q, int N, int H, int W,
                                    int C, int OH, int OW, int KH, int KW, int SH, int SW,
                                    int PT, int PL, int DH, int DW, int ZX, int ZY, int low,
                                    int high) {
  int pairs = (KW + SW + 1) / 2, fresh = SH < KH ? SH : KH, more = ROWS_AT_ONCE - 1;
  int kept = 8 * (KH * pairs + more); /* words of the weights of four channels */
  int most = (BAND_WORDS - kept - 4 * (KH + more)) / (4 * KH); /* pairs of columns that fit */
  int tile = (2 * most - KW) / SW + 1; /* outputs of a row at once */
  if (C < 4 || DH * DW > 1 || kept > BAND_WORDS || most < pairs) {
    int8_t *to = y;
    for (int p = 0; p < N * OH * OW; p++) {
      int y0 = p / OW % OH * SH - PT, x0 = p % OW * SW - PL;
      int ky0 = first_tap(y0, DH), ky1 = end_tap(y0, DH, H, KH);
      int kx0 = first_tap(x0, DW), kx1 = end_tap(x0, DW, W, KW);
      for (int c = 0; c < C; c++) {
        Channel k;
        channels(&k, 1, b, q, C, c, low >= ZY);
        int at = (p / OW / OH * H + y0 + ky0 * DH) * W + x0 + kx0 * DW;
        const int8_t *taps = w + (ky0 * KW + kx0) * C + c;
        int32_t sum = dot_taps(x + at * C + c, DW * C, DH * W * C, taps, C, KW * C, ky1 - ky0,
                               kx1 - kx0, ZX);
        store(to++, wrap_add(sum, k.bias), &k, ZY);
      }
    }
    clamp_bytes(y, N * OH * OW * C, low, high);
    return;
  }
  union {
    uint32_t words[BAND_WORDS];
    FourChannels four;
  } room;
  int narrow = SW == 2 ? 6 : OW & 3 ? 20 : 8; /* fewer instructions the other way, as counted */
  if (KH == 3 && KW == 3 && SW < 3 && OW > narrow) {
    int at_once = (SW == 1 ? (ROW_WORDS - 16) / 9 : (ROW_WORDS - 8) / 17) & -4;
    Layer3 layer = {x, w, b, q, N, H, W, C, OH, OW, SH, SW, PT, PL, ZX, ZY, low >= ZY, at_once};
    three_by_three(&layer, &room.four, y);
    clamp_bytes(y, N * OH * OW * C, low, high);
    return;
  }
  uint32_t *words = room.words;
  Quad four = {.C = C, .zero = ZY, .advance = 4 * KH * SW};
  four.window = (KH * pairs + more) / ROWS_AT_ONCE * ROWS_AT_ONCE * 4;
  tile = tile < OW + (OW & 1) ? tile & ~1 : OW;
  for (int quad = 0; quad < C; quad += 4) {
    int c = quad + 4 <= C ? quad : C - 4;
    pair_weights(words, w + c, C, KH, KW, SW, pairs);
    channels(four.c, 4, b, q, C, c, low >= ZY);
    four.fast = four.c[0].unit && four.c[1].unit && four.c[2].unit && four.c[3].unit;
    for (int n = 0; n < N; n++)
      for (int start = 0; start < OW; start += tile) {
        int outputs = OW - start < tile ? OW - start : tile, x0 = start * SW - PL;
        int across = (outputs - 1) / 2 * SW + pairs, size = 4 * (across * KH + more);
        int left = x0 < 0 ? -x0 : 0, right = W - x0, band = kept;
        for (int oy = 0; oy < OH; oy++) {
          int rows = oy ? fresh : KH; /* that the outputs above did not see */
          if (oy) band += 4 * SH;
          if (band + size > BAND_WORDS) {
            move_down(words + kept, words + band, words + BAND_WORDS, size);
            band = kept;
          }
          for (int ky = KH - rows; ky < KH; ky++) {
            int iy = oy * SH - PT + ky, inside = iy >= 0 && iy < H;
            const int8_t *row = x + (((inside ? n * H + iy : 0) * W + x0) * C + c);
            widen_row(words + band + 4 * ky, 4 * KH, row, C, across, left, inside ? right : left,
                      ZX);
          }
          row_of_outputs(&four, y + ((n * OH + oy) * OW + start) * C + c, outputs, words + band,
                         words);
        }
      }
  }
  clamp_bytes(y, N * OH * OW * C, low, high);
}
