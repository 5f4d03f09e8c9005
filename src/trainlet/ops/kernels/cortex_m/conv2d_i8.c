#include "conv2d_i8.h"
#include "dsp.h"
#include "kernel.h"
#include "products.h"
#include "rescale_fast.h"
enum { WORDS = 576 }; /* on the stack: two pixels of 576 inputs, or 16 of 64 and two rows of w */

static ONE_COPY void conv2d_i8_anywhere(CONV2D_I8_PARAMETERS) {
  conv2d_i8_plain(CONV2D_I8_ARGUMENTS);
}

static inline int8_t *fill_bytes(int8_t *to, int n, int value) {
  for (; n > 0; n--) *to++ = (int8_t)value;
  return to;
}

static inline int8_t *copy_bytes(int8_t *to, const int8_t *from, int n) {
  for (; n >= 4; n -= 4, from += 4, to += 4) store_bytes(to, load_bytes(from));
  for (; n > 0; n--) *to++ = *from++;
  return to;
}

/* a window as contiguous bytes, zero points outside the map */
static inline void copy_window(int8_t *to, const int8_t *x, int H, int W, int C, int KH, int KW,
                               int y0, int x0, int DH, int DW, int ZX) {
  int kx0 = first_tap(x0, DW), kx1 = end_tap(x0, DW, W, KW);
  for (int ky = 0; ky < KH; ky++, y0 += DH) {
    if (y0 < 0 || y0 >= H || kx1 <= kx0) {
      to = fill_bytes(to, KW * C, ZX);
      continue;
    }
    const int8_t *from = x + (y0 * W + x0 + kx0 * DW) * C;
    int run = DW == 1 ? kx1 - kx0 : 1;
    to = fill_bytes(to, kx0 * C, ZX);
    for (int kx = kx0; kx < kx1; kx += run, from += DW * C) to = copy_bytes(to, from, run * C);
    to = fill_bytes(to, (KW - kx1) * C, ZX);
  }
}

/* as the reference kernel: blocks of pixels are widened on the stack, then meet all of w */
KERNEL ONE_COPY void k_conv2d_i8(CONV2D_I8_PARAMETERS) {
  int K = KH * KW * C, groups = (K + AT_ONCE - 1) / AT_ONCE * 2, pixels = N * OH * OW;
  int copies = KH * KW > 1 || PT > 0 || PL > 0 || (OH - 1) * SH >= H || (OW - 1) * SW >= W;
  int room = WORDS - (copies ? groups : 0);
  if (G > 1 || 4 * groups > room || K > MOST_TERMS) {
    conv2d_i8_anywhere(CONV2D_I8_ARGUMENTS);
    return;
  }
  uint32_t words[WORDS];
  int8_t *taps = (int8_t *)(words + room);
  int lanes = pixels < 4 || 12 * groups > room ? 2 : 4; /* pixels side by side */
  int quads = 36 * groups <= room ? 4 : 20 * groups <= room ? 2 : 1;
  uint32_t *rows = words + 8 * groups * quads;
  for (int start = 0; start < pixels;) {
    int blocks = (pixels - start) / lanes;
    blocks = blocks == 0 ? 1 : lanes == 2 ? 1 : blocks < quads ? blocks : quads;
    int first = start + lanes <= pixels ? start : pixels > lanes ? pixels - lanes : 0;
    for (int k = 0; k < blocks * lanes; k++) {
      int p = first + k < pixels ? first + k : pixels - 1;
      uint32_t *to = words + k / lanes * 8 * groups + k % lanes;
      const int8_t *bytes = x + p * C;
      if (copies || SH * SW > 1) {
        int n = p / (OH * OW), oy = p / OW % OH, ox = p % OW;
        const int8_t *map = x + n * H * W * C;
        bytes = map + (oy * SH * W + ox * SW) * C;
        if (copies) {
          copy_window(taps, map, H, W, C, KH, KW, oy * SH - PT, ox * SW - PL, DH, DW, ZX);
          bytes = taps;
        }
      }
      widen_doubled(to, bytes, K, lanes, ZX);
    }
    for (int o = 0; o < O; o += 2) {
      int next = o + 1 < O;
      const int8_t *w0 = w + o * K, *w1 = w0 + next * K;
      Results r = {y + first * O + o, next, pixels > 1 ? O : 0, ZY, channel(b, q, O, o),
                   channel(b, q, O, o + next)};
      if (lanes == 2) {
        two_by_two(&r, words, w0, w1, K);
      } else {
        widen_two(rows, w0, w1, K);
        quads_by_two(&r, words, rows, 8 * groups, blocks);
      }
    }
    start = first + blocks * lanes;
  }
  clamp_bytes(y, pixels * O, low, high);
}
