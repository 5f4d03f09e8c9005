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

/* where windows lie; y0 and x0 are those of one */
typedef struct {
  const int8_t *x;
  int H, W, C, KH, KW, DH, DW, ZX;
} Windows;

/* a window as contiguous bytes, zero points outside the map */
static ONE_COPY void copy_window(int8_t *to, const Windows *k, int n, int y0, int x0) {
  int C = k->C, W = k->W, KW = k->KW, DW = k->DW;
  int kx0 = first_tap(x0, DW), kx1 = end_tap(x0, DW, W, KW);
  const int8_t *from = k->x + ((n * k->H + y0) * W + x0 + kx0 * DW) * C;
  for (int ky = 0; ky < k->KH; ky++, y0 += k->DH, from += k->DH * W * C) {
    if (y0 < 0 || y0 >= k->H || kx1 <= kx0) {
      to = fill_bytes(to, KW * C, k->ZX);
      continue;
    }
    to = fill_bytes(to, kx0 * C, k->ZX);
    if (DW == 1)
      to = copy_bytes(to, from, (kx1 - kx0) * C);
    else
      for (int kx = 0; kx < kx1 - kx0; kx++) to = copy_bytes(to, from + kx * DW * C, C);
    to = fill_bytes(to, (KW - kx1) * C, k->ZX);
  }
}

/* as the reference kernel: blocks of pixels are widened on the stack, then meet all of w */
KERNEL ONE_COPY void k_conv2d_i8(CONV2D_I8_PARAMETERS) {
  int K = KH * KW * C, groups = (K + AT_ONCE - 1) / AT_ONCE * 2, pixels = N * OH * OW;
  int copies = KH * KW * SH * SW > 1 || PT > 0 || PL > 0 || OH > H || OW > W;
  int room = WORDS - (copies ? groups : 0);
  if (G > 1 || 4 * groups > room || K > MOST_TERMS) {
    conv2d_i8_anywhere(CONV2D_I8_ARGUMENTS);
    return;
  }
  uint32_t words[WORDS];
  int8_t *taps = (int8_t *)(words + room);
  Windows windows = {x, H, W, C, KH, KW, DH, DW, ZX};
  int lanes = pixels < 4 || 12 * groups > room ? 2 : 4; /* pixels side by side */
  int quads = lanes == 2 || 20 * groups > room ? 1 : 36 * groups > room ? 2 : 4;
  uint32_t *rows = words + 8 * groups * quads;
  for (int start = 0; start < pixels;) {
    int first = start + lanes <= pixels ? start : pixels > lanes ? pixels - lanes : 0;
    int blocks = (pixels - first) / lanes < quads ? (pixels - first) / lanes : quads;
    blocks = blocks > 0 ? blocks : 1;
    uint32_t *to = words;
    for (int k = 0; k < blocks * lanes; k += lanes, to += 2 * lanes * groups)
      if (!copies) {
        widen_doubled(to, x + (first + k) * C, C, lanes, ZX, lanes, pixels > 1 ? C : 0);
      } else {
        for (int lane = 0; lane < lanes; lane++) {
          int p = pixels > 1 ? first + k + lane : 0, oy = p / OW, ox = p % OW;
          copy_window(taps, &windows, oy / OH, oy % OH * SH - PT, ox * SW - PL);
          widen_doubled(to + lane, taps, K, lanes, ZX, 1, 0);
        }
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
