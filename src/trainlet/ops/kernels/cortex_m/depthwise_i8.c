#include "depthwise_i8.h"
#include "dsp.h"
#include "kernel.h"
#include "rescale_fast.h"
enum { WORDS_OF_BAND = 640 }; /* on the stack: weights of four channels, and rows of the map */

static ONE_COPY void depthwise_i8_anyhow(DEPTHWISE_I8_PARAMETERS) {
  depthwise_i8_plain(DEPTHWISE_I8_ARGUMENTS);
}

/* columns j and j+1 of four channels, widened, as four pairs, of channels 0, 2, 1 and 3 */
INLINED void pair_columns(uint32_t pair[4], uint32_t even0, uint32_t odd0, uint32_t even1,
                          uint32_t odd1) {
  pair[0] = pkhbt(even0, even1), pair[1] = pkhtb(even1, even0);
  pair[2] = pkhbt(odd0, odd1), pair[3] = pkhtb(odd1, odd0);
}

/* two taps of four channels; none outside the row */
static inline void pair_taps(uint32_t pair[4], const int8_t *row, int kx, int KW, int C) {
  uint32_t first = kx < 0 || kx >= KW ? 0 : load_bytes(row + kx * C);
  uint32_t second = kx + 1 < 0 || kx + 1 >= KW ? 0 : load_bytes(row + kx * C + C);
  pair_columns(pair, sxtb16(first), sxtb16_ror8(first), sxtb16(second), sxtb16_ror8(second));
}

/* weights of four channels, column pair by column pair, for an output and for the next one, whose
 * window starts SW columns later; an odd last row of them is followed by zeros */
static ONE_COPY void pair_weights(uint32_t *to, const int8_t *w, int C, int KH, int KW, int SW,
                                  int pairs) {
  for (int p = 0; p < pairs; p++)
    for (int ky = 0; ky < KH; ky++) {
      uint32_t a[4], b[4];
      pair_taps(a, w + ky * KW * C, 2 * p, KW, C);
      pair_taps(b, w + ky * KW * C, 2 * p - SW, KW, C);
      for (int half = 0; half < 4; half += 2) {
        *to++ = a[half], *to++ = a[half + 1];
        *to++ = b[half], *to++ = b[half + 1];
      }
    }
  for (int k = 0; k < 8; k++) *to++ = 0;
}

/* x - zero of four channels of a row, column pair by column pair, `apart` words between them;
 * columns before `left` and from `right` on are zero */
static ONE_COPY void widen_row(uint32_t *to, int apart, const int8_t *x, int C, int pairs,
                               int left, int right, int zero) {
  uint32_t zeros = ((uint32_t)zero & 0xFFFFu) | (uint32_t)zero << 16;
  uint32_t nothing = ((uint32_t)zero & 0xFFu) * 0x01010101u;
  unsigned inside = right > left ? (unsigned)(right - left - 1) : 0;
  for (int j = 0; j < 2 * pairs; j += 2, x += 2 * C, to += apart) {
    uint32_t first = nothing, second = nothing;
    if ((unsigned)(j - left) < inside) {
      first = load_bytes(x), second = load_bytes(x + C);
    } else {
      if (j >= left && j < right) first = load_bytes(x);
      if (j + 1 >= left && j + 1 < right) second = load_bytes(x + C);
    }
    pair_columns(to, ssub16(sxtb16(first), zeros), ssub16(sxtb16_ror8(first), zeros),
                 ssub16(sxtb16(second), zeros), ssub16(sxtb16_ror8(second), zeros));
  }
}

/* four channels of a row of outputs */
typedef struct {
  int C, zero, fast; /* fast: all four are rescaled the short way */
  int window, advance; /* words of a window, a multiple of 8; words to the next two outputs' */
  Channel c[4];
} Quad;

/* the sums of a channel of two outputs, first the second */
INLINED void store_two(int8_t *y, int8_t *next, int32_t a, int32_t b, const Channel *c,
                       int32_t zero, int fast) {
  int32_t twice = c->twice, right = c->right;
  if (fast) {
    *next = rescale_fast(b, twice, right, zero);
    *y = rescale_fast(a, twice, right, zero);
  } else {
    store(next, b, c, zero);
    store(y, a, c, zero);
  }
}

/* one row of a column pair, for two outputs */
#define TWO_WINDOWS_MEET                                                                    \
  LOAD_PAIR(s, t, x);                                                                       \
  LOAD_PAIR(u, v, weights);                                                                 \
  a0 = smlad(s, u, a0), a2 = smlad(t, v, a2);                                               \
  LOAD_PAIR(u, v, weights);                                                                 \
  b0 = smlad(s, u, b0), b2 = smlad(t, v, b2);                                               \
  LOAD_PAIR(s, t, x);                                                                       \
  LOAD_PAIR(u, v, weights);                                                                 \
  a1 = smlad(s, u, a1), a3 = smlad(t, v, a3);                                               \
  LOAD_PAIR(u, v, weights);                                                                 \
  b1 = smlad(s, u, b1), b3 = smlad(t, v, b3)

static ONE_COPY void row_of_outputs(const Quad *q, int8_t *y, int outputs,
                                    const uint32_t *first, const uint32_t *w) {
  for (; outputs > 0; outputs -= 2, first += q->advance) {
    int32_t a0 = q->c[0].bias, a1 = q->c[1].bias, a2 = q->c[2].bias, a3 = q->c[3].bias;
    int32_t b0 = a0, b1 = a1, b2 = a2, b3 = a3;
    const uint32_t *x = first, *weights = w, *end = first + q->window;
    do {
      uint32_t s, t, u, v;
      TWO_WINDOWS_MEET;
      TWO_WINDOWS_MEET;
    } while (x != end);
    int8_t *next = y + (outputs > 1 ? q->C : 0); /* one that is none is overwritten */
    if (q->fast) {
      store_two(y, next, a0, b0, &q->c[0], q->zero, 1);
      store_two(y + 1, next + 1, a1, b1, &q->c[1], q->zero, 1);
      store_two(y + 2, next + 2, a2, b2, &q->c[2], q->zero, 1);
      store_two(y + 3, next + 3, a3, b3, &q->c[3], q->zero, 1);
    } else {
      store_two(y, next, a0, b0, &q->c[0], q->zero, 0);
      store_two(y + 1, next + 1, a1, b1, &q->c[1], q->zero, 0);
      store_two(y + 2, next + 2, a2, b2, &q->c[2], q->zero, 0);
      store_two(y + 3, next + 3, a3, b3, &q->c[3], q->zero, 0);
    }
    y = next + q->C;
  }
}
#undef TWO_WINDOWS_MEET

/* as the reference kernel, four channels at a time.  Each row of the map is widened once, into a
 * band of KH rows that interlace: a step down is a step of the band's start. */
KERNEL ONE_COPY void k_depthwise_i8(DEPTHWISE_I8_PARAMETERS) {
  int pairs = (KW + SW + 1) / 2, fresh = SH < KH ? SH : KH, kept = 8 * (KH * pairs + 1);
  int most = (WORDS_OF_BAND - kept - 4 - 4 * KH) / (4 * KH); /* column pairs that fit */
  int tile = (2 * most - KW) / SW + 1; /* outputs of a row at once */
  if (C < 4 || DH * DW > 1 || kept > WORDS_OF_BAND || most < pairs) {
    depthwise_i8_anyhow(DEPTHWISE_I8_ARGUMENTS);
    return;
  }
  uint32_t words[WORDS_OF_BAND];
  Quad four = {C, ZY, 0, (KH * pairs + 1) / 2 * 8, 4 * KH * SW, {{0}}};
  tile = tile < OW ? tile & ~1 : OW;
  for (int quad = 0; quad < C; quad += 4) {
    int c = quad + 4 <= C ? quad : C - 4;
    pair_weights(words, w + c, C, KH, KW, SW, pairs);
    for (int k = 0; k < 4; k++) four.c[k] = channel(b, q, C, c + k);
    four.fast = is_fast(four.c) && is_fast(four.c + 1) && is_fast(four.c + 2) &&
                is_fast(four.c + 3);
    for (int n = 0; n < N; n++)
      for (int start = 0; start < OW; start += tile) {
        int outputs = OW - start < tile ? OW - start : tile, x0 = start * SW - PL;
        int across = (outputs - 1) / 2 * SW + pairs, size = 4 * (across * KH + 1);
        int left = x0 < 0 ? -x0 : 0, right = W - x0;
        uint32_t *band = words + kept;
        for (int oy = 0; oy < OH; oy++) {
          int rows = oy ? fresh : KH; /* that the row above did not see */
          if (oy) band += 4 * SH;
          if (band + size > words + WORDS_OF_BAND) {
            for (int k = 0; k < size && band + k < words + WORDS_OF_BAND; k++)
              words[kept + k] = band[k];
            band = words + kept;
          }
          for (int ky = KH - rows; ky < KH; ky++) {
            int iy = oy * SH - PT + ky, inside = iy >= 0 && iy < H;
            const int8_t *row = x + (((inside ? n * H + iy : 0) * W + x0) * C + c);
            widen_row(band + 4 * ky, 4 * KH, row, C, across, left, inside ? right : left, ZX);
          }
          row_of_outputs(&four, y + ((n * OH + oy) * OW + start) * C + c, outputs, band, words);
        }
      }
  }
  clamp_bytes(y, N * OH * OW * C, low, high);
}
