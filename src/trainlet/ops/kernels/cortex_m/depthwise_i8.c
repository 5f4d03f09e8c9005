#include "depthwise_i8.h"
#include "dsp.h"
#include "kernel.h"
#include "rescale_fast.h"
enum { BAND = 576 }; /* words on the stack: weights of four channels, and rows of the map */

static ONE_COPY void depthwise_i8_anyhow(DEPTHWISE_I8_PARAMETERS) {
  depthwise_i8_plain(DEPTHWISE_I8_ARGUMENTS);
}

/* columns j and j+1 of four channels as four pairs, of channels 0, 2, 1 and 3 */
static inline void put_columns(uint32_t *to, uint32_t even0, uint32_t odd0, uint32_t even1,
                               uint32_t odd1) {
  to[0] = pkhbt(even0, even1), to[1] = pkhtb(even1, even0);
  to[2] = pkhbt(odd0, odd1), to[3] = pkhtb(odd1, odd0);
}

/* one tap of four channels, doubled; nothing outside the row */
static inline void load_tap(uint32_t *even, uint32_t *odd, const int8_t *row, int kx, int KW,
                            int C) {
  uint32_t bytes = kx < 0 || kx >= KW ? 0 : load_bytes(row + kx * C);
  *even = sxtb16(bytes), *odd = sxtb16_ror8(bytes);
  *even = sadd16(*even, *even), *odd = sadd16(*odd, *odd);
}

/* weights of four channels in pairs of columns; for odd strides also moved by a column, for the
 * second of two outputs */
static ONE_COPY void pair_weights(uint32_t *to, const int8_t *w, int C, int KH, int KW, int pairs,
                                  int both) {
  for (int ky = 0; ky < KH; ky++, w += KW * C)
    for (int p = 0; p < pairs; p++) {
      uint32_t e0, o0, e1, o1, e2, o2, a[4], b[4];
      load_tap(&e0, &o0, w, 2 * p - 1, KW, C);
      load_tap(&e1, &o1, w, 2 * p, KW, C);
      load_tap(&e2, &o2, w, 2 * p + 1, KW, C);
      put_columns(a, e1, o1, e2, o2);
      put_columns(b, e0, o0, e1, o1);
      for (int half = 0; half < 4; half += 2) {
        *to++ = a[half], *to++ = a[half + 1];
        if (both) *to++ = b[half], *to++ = b[half + 1];
      }
    }
}

/* x - zero of four channels of a row in pairs of columns; `left` columns before the map and those
 * from `right` on are zero */
static ONE_COPY void widen_row(uint32_t *to, const int8_t *x, int C, int pairs, int left,
                               int right, int zero) {
  uint32_t zeros = ((uint32_t)zero & 0xFFFFu) | (uint32_t)zero << 16;
  uint32_t nothing = ((uint32_t)zero & 0xFFu) * 0x01010101u;
  for (int j = 0; j < 2 * pairs; j += 2, x += 2 * C, to += 4) {
    uint32_t first = nothing, second = nothing;
    if ((unsigned)(j - left) < (unsigned)(right - 1 - left)) {
      first = load_bytes(x), second = load_bytes(x + C);
    } else {
      if (j >= left && j < right) first = load_bytes(x);
      if (j + 1 >= left && j + 1 < right) second = load_bytes(x + C);
    }
    put_columns(to, ssub16(sxtb16(first), zeros), ssub16(sxtb16_ror8(first), zeros),
                ssub16(sxtb16(second), zeros), ssub16(sxtb16_ror8(second), zeros));
  }
}

/* four channels of a row of outputs */
typedef struct {
  const uint32_t *band, *end; /* rows of the map, one after another around a ring */
  int pitch, pairs;           /* words of a row, pairs of columns of a window */
  int advance, second;        /* words to the next two windows, and between two windows */
  int C, zero;
  Channel c[4];
} Quad;

#define FOUR_SUMS(a, b)                                                                     \
  int32_t a##0 = q->c[0].bias, a##1 = q->c[1].bias, a##2 = q->c[2].bias, a##3 = q->c[3].bias; \
  int32_t b##0 = a##0, b##1 = a##1, b##2 = a##2, b##3 = a##3
#define STORE_BOTH                                                                          \
  int step = outputs > 1 ? q->C : 0;                                                        \
  store2(y + step, -step, b0, a0, &q->c[0], q->zero);                                       \
  store2(y + step + 1, -step, b1, a1, &q->c[1], q->zero);                                   \
  store2(y + step + 2, -step, b2, a2, &q->c[2], q->zero);                                   \
  store2(y + step + 3, -step, b3, a3, &q->c[3], q->zero)

/* stride 1: two outputs read the same columns, the second with the moved weights */
static ONE_COPY void outputs_apart_by_one(const Quad *q, int8_t *y, int outputs,
                                          const uint32_t *first, const uint32_t *w, int rows) {
  for (int at = 0; outputs > 0; outputs -= 2, y += 2 * q->C, at += q->advance) {
    FOUR_SUMS(a, b);
    const uint32_t *row = first, *weights = w;
    for (int k = rows; k > 0; k--) {
      const uint32_t *x = row + at;
      for (int p = q->pairs; p > 0; p--) {
        uint32_t s, t, u, v;
        LOAD_PAIR(s, t, x);
        LOAD_PAIR(u, v, weights);
        a0 = smlad(s, u, a0), a2 = smlad(t, v, a2);
        LOAD_PAIR(u, v, weights);
        b0 = smlad(s, u, b0), b2 = smlad(t, v, b2);
        LOAD_PAIR(s, t, x);
        LOAD_PAIR(u, v, weights);
        a1 = smlad(s, u, a1), a3 = smlad(t, v, a3);
        LOAD_PAIR(u, v, weights);
        b1 = smlad(s, u, b1), b3 = smlad(t, v, b3);
      }
      row += q->pitch;
      row = row == q->end ? q->band : row;
    }
    STORE_BOTH;
  }
}

/* even strides: two outputs read their own columns with the same weights */
static ONE_COPY void outputs_apart_by_two(const Quad *q, int8_t *y, int outputs,
                                          const uint32_t *first, const uint32_t *w, int rows) {
  for (int at = 0; outputs > 0; outputs -= 2, y += 2 * q->C, at += q->advance) {
    FOUR_SUMS(a, b);
    const uint32_t *row = first, *weights = w;
    for (int k = rows; k > 0; k--) {
      const uint32_t *x = row + at, *other = x + q->second;
      for (int p = q->pairs; p > 0; p--) {
        uint32_t s, t, u, v;
        LOAD_PAIR(u, v, weights);
        LOAD_PAIR(s, t, x);
        a0 = smlad(s, u, a0), a2 = smlad(t, v, a2);
        LOAD_PAIR(s, t, other);
        b0 = smlad(s, u, b0), b2 = smlad(t, v, b2);
        LOAD_PAIR(u, v, weights);
        LOAD_PAIR(s, t, x);
        a1 = smlad(s, u, a1), a3 = smlad(t, v, a3);
        LOAD_PAIR(s, t, other);
        b1 = smlad(s, u, b1), b3 = smlad(t, v, b3);
      }
      row += q->pitch;
      row = row == q->end ? q->band : row;
    }
    STORE_BOTH;
  }
}

/* as the reference kernel: rows of four channels are widened on the stack, each once */
KERNEL ONE_COPY void k_depthwise_i8(DEPTHWISE_I8_PARAMETERS) {
  int odd = SW == 1, pairs = odd ? KW / 2 + 1 : (KW + 1) / 2;
  int kept = KH * pairs * (odd ? 8 : 4), wide = KH > 0 && kept < BAND ? (BAND - kept) / KH / 4 : 0;
  int tile = (2 * wide - KW) / SW & ~1; /* outputs of a row at once, one less than fit */
  if (C < 4 || DH * DW > 1 || (SW > 1 && SW % 2) || 2 * wide < KW + SW || KH * KW > MOST_TERMS) {
    depthwise_i8_anyhow(DEPTHWISE_I8_ARGUMENTS);
    return;
  }
  uint32_t words[BAND];
  uint32_t *band = words + kept;
  tile = tile > 2 ? tile : 2;
  for (int quad = 0; quad < C; quad += 4) {
    int c = quad + 4 <= C ? quad : C - 4;
    pair_weights(words, w + c, C, KH, KW, pairs, odd);
    Quad four = {.pairs = pairs, .advance = 4 * SW, .second = 2 * SW, .C = C, .zero = ZY};
    for (int k = 0; k < 4; k++) four.c[k] = channel(b, q, C, c + k);
    for (int n = 0; n < N; n++)
      for (int start = 0; start < OW; start += tile) {
        int outputs = OW - start < tile ? OW - start : tile, x0 = start * SW - PL, have = 0;
        int columns = ((outputs + 1) / 2 * 2 - 1) * SW + KW, across = (columns + 1) / 2;
        int left = x0 < 0 ? -x0 : 0, right = W - x0 < 2 * across ? W - x0 : 2 * across;
        four.pitch = 4 * across, four.band = band, four.end = band + KH * four.pitch;
        for (int oy = 0; oy < OH; oy++) {
          int y0 = oy * SH - PT, top = y0 < 0 ? 0 : y0, end = y0 + KH < H ? y0 + KH : H;
          for (have = have > top ? have : top; have < end; have++)
            widen_row(band + have % KH * four.pitch, x + ((n * H + have) * W + x0) * C + c, C,
                      across, left, right, ZX);
          (odd ? outputs_apart_by_one : outputs_apart_by_two)(
              &four, y + ((n * OH + oy) * OW + start) * C + c, outputs,
              band + top % KH * four.pitch, words + (top - y0) * pairs * (odd ? 8 : 4),
              end - top);
        }
      }
  }
  clamp_bytes(y, N * OH * OW * C, low, high);
}
