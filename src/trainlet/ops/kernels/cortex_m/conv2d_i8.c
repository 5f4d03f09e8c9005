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

/* where windows lie */
typedef struct {
  const int8_t *x;
  int H, W, C, KH, KW, DH, DW, ZX;
} Windows;

/* the window of map n at y0 and x0 as contiguous bytes, zero points outside the map */
static ONE_COPY void copy_window(int8_t *to, const Windows *k, int n, int y0, int x0) {
  int C = k->C, W = k->W, KW = k->KW, DW = k->DW;
  const int8_t *from = k->x + ((n * k->H + y0) * W + x0) * C;
  int below = k->DH * W * C;
  if (y0 >= 0 && x0 >= 0 && y0 + k->KH <= k->H && x0 + KW <= W && DW * k->DH == 1) {
    for (int ky = k->KH; ky > 0; ky--, from += below) to = copy_bytes(to, from, KW * C);
    return;
  }
  for (int ky = 0; ky < k->KH; ky++, y0 += k->DH, from += below)
    for (int kx = 0; kx < KW; kx++) {
      int ix = x0 + kx * DW, inside = y0 >= 0 && y0 < k->H && ix >= 0 && ix < W;
      to = inside ? copy_bytes(to, from + kx * DW * C, C) : fill_bytes(to, C, k->ZX);
    }
}

/* as the reference kernel: blocks of pixels are widened on the stack, then meet all of w */
KERNEL ONE_COPY void k_conv2d_i8(CONV2D_I8_PARAMETERS) {
  int K = KH * KW * C, groups = (K + AT_ONCE - 1) / AT_ONCE * 2, pixels = N * OH * OW;
  int copies = KH * KW * SH * SW > 1 || PT > 0 || PL > 0 || OH > H || OW > W;
  int room = WORDS - (copies ? groups : 0);
  if (G > 1 || O < 2 || 4 * groups > room) {
    conv2d_i8_anywhere(CONV2D_I8_ARGUMENTS);
    return;
  }
  uint32_t words[WORDS];
  int8_t *taps = (int8_t *)(words + room);
  Layer layer = {w, b, q, O, K, ZY};
  Windows windows = {x, H, W, C, KH, KW, DH, DW, ZX};
  if (copies) fill_bytes(taps + K, 4 * groups - K, ZX);
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
        widen_pixels(to, x + (first + k) * C, C, lanes, ZX, lanes, pixels > 1 ? C : 0);
      } else {
        for (int lane = 0; lane < lanes; lane++) {
          int p = pixels > 1 ? first + k + lane : 0, oy = p / OW, ox = p % OW;
          copy_window(taps, &windows, oy / OH, oy % OH * SH - PT, ox * SW - PL);
          widen_pixels(to + lane, taps, 4 * groups, lanes, ZX, 1, 0);
        }
      }
    int8_t *to_first = y + first * O;
    for (int pair = 0; pair < O; pair += 2) {
      int o = pair + 2 <= O ? pair : O - 2;
      if (lanes == 2) {
        two_by_two(&layer, to_first, pixels > 1 ? O : 0, o, words);
      } else {
        widen_two(rows, w + o * K, w + o * K + K, K);
        quads_by_two(&layer, to_first, o, words, rows, 8 * groups, blocks);
      }
    }
    start = first + blocks * lanes;
  }
  clamp_bytes(y, pixels * O, low, high);
}
