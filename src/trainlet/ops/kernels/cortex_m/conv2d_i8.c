#include "dot_bytes.h"
#include "dsp.h"
#include "kernel.h"
#include "products.h"
#include "rescale_fast.h"
#include "window.h"
enum { CONV_WORDS = 640 }; /* on the stack: two pixels of 640 inputs; 16 of 64, two rows of w */

static inline int8_t *fill_bytes(int8_t *to, int n, int value) {
  for (; n > 0; n--) *to++ = (int8_t)value;
  return to;
}

/* where windows lie */
typedef struct {
  const int8_t *x;
  int H, W, C, KH, KW, DH, DW, ZX;
} Windows;

/* whether all taps of the window at y0 and x0 are there, and side by side */
static inline int is_inside(const Windows *k, int y0, int x0) {
  return y0 >= 0 && x0 >= 0 && y0 + k->KH <= k->H && x0 + k->KW <= k->W && k->DW * k->DH == 1;
}

/* the window of map n at y0 and x0 as contiguous bytes, zero points outside the map */
static ONE_COPY void copy_window(int8_t *to, const Windows *k, int n, int y0, int x0) {
  int C = k->C, W = k->W, KW = k->KW, DW = k->DW;
  const int8_t *from = k->x + ((n * k->H + y0) * W + x0) * C;
  int below = k->DH * W * C;
  if (is_inside(k, y0, x0)) {
    for (int ky = k->KH; ky > 0; ky--, from += below) to = copy_bytes(to, from, KW * C);
    return;
  }
  for (int ky = 0; ky < k->KH; ky++, y0 += k->DH, from += below)
    for (int kx = 0; kx < KW; kx++) {
      int ix = x0 + kx * DW, inside = y0 >= 0 && y0 < k->H && ix >= 0 && ix < W;
      to = inside ? copy_bytes(to, from + kx * DW * C, C) : fill_bytes(to, C, k->ZX);
    }
}

static inline uint32_t *clear_lane(uint32_t *to, int words, int lanes) {
  for (; words > 0; words--, to += lanes) *to = 0;
  return to;
}

/* x - zero of the same window as words `lanes` apart, where a tap fills whole words */
static ONE_COPY void widen_window(uint32_t *to, int lanes, const Windows *k, int n, int y0,
                                  int x0) {
  int C = k->C, DW = k->DW, kx0 = first_tap(x0, DW), kx1 = end_tap(x0, DW, k->W, k->KW);
  int run = DW == 1 ? kx1 - kx0 : 1; /* taps that lie side by side */
  for (int ky = 0; ky < k->KH; ky++, y0 += k->DH) {
    if (y0 < 0 || y0 >= k->H || kx1 <= kx0) {
      to = clear_lane(to, k->KW * C / 2, lanes);
      continue;
    }
    const int8_t *from = k->x + ((n * k->H + y0) * k->W + x0 + kx0 * DW) * C;
    to = clear_lane(to, kx0 * C / 2, lanes);
    for (int kx = kx0; kx < kx1; kx += run, from += DW * C, to += run * C / 2 * lanes)
      widen_pixels(to, from, run * C, lanes, k->ZX, 1, 0);
    to = clear_lane(to, (k->KW - kx1) * C / 2, lanes);
  }
}

/* as the reference kernel: blocks of pixels are widened on the stack, then meet all of w; but
 * one output at a time for groups, and for windows that are too large */
KERNEL ONE_COPY void k_conv2d_i8(int8_t *restrict y, const int8_t *x, const int8_t *w,
                                 const int32_t *b, const int32_t *q, int N, int H, int W, int C,
                                 int OH, int OW, int O, int KH, int KW, int SH, int SW, int PT,
                                 int PL, int DH, int DW, int G, int ZX, int ZY, int low,
                                 int high) {
  int K = KH * KW * C, pixels = N * OH * OW;
  int plain = KH * KW * SH * SW == 1 && PT == 0 && PL == 0 && OH <= H && OW <= W;
  int copies = !plain && C % AT_ONCE > 0; /* of windows, as bytes behind the words */
  int taps_of_row = copies ? KW * C : K, rows_of_taps = copies ? KH : 1;
  int groups = (rows_of_taps * words_of_row(taps_of_row) + 3) / 4 * 2;
  int lanes = pixels < 4 || (copies ? 16 : 12) * groups > CONV_WORDS ? 2 : 4; /* side by side */
  int room = CONV_WORDS - (copies ? lanes * groups : 0);
  int quads = lanes == 2 ? 1 : (room / groups - 4) / 8;
  int single = quads == 1 && pixels >= 4 && K % AT_ONCE == 0 && 8 * groups <= room;
  if (single) lanes = 4;
  if (G > 1 || O < 2 || 4 * groups > room) {
    int8_t *to = y;
    for (int p = 0; p < pixels; p++) {
      int y0 = p / OW % OH * SH - PT, x0 = p % OW * SW - PL;
      int ky0 = first_tap(y0, DH), ky1 = end_tap(y0, DH, H, KH);
      int kx0 = first_tap(x0, DW), kx1 = end_tap(x0, DW, W, KW);
      for (int o = 0; o < O; o++) {
        Channel c;
        channels(&c, 1, b, q, O, o, low >= ZY);
        int32_t sum = c.bias;
        for (int ky = ky0; ky < ky1; ky++)
          for (int kx = kx0; kx < kx1; kx++) {
            int at = ((p / OW / OH * H + y0 + ky * DH) * W + x0 + kx * DW) * G + o / (O / G);
            sum = dot_bytes(sum, x + at * (C / G), w + ((o * KH + ky) * KW + kx) * (C / G),
                            C / G, ZX);
          }
        store(to++, sum, &c, ZY);
      }
    }
    clamp_bytes(y, pixels * O, low, high);
    return;
  }
  uint32_t words[CONV_WORDS];
  int8_t *taps = (int8_t *)(words + room);
  Layer layer = {w, b, q, O, K, low >= ZY, ZY};
  Windows windows = {x, H, W, C, KH, KW, DH, DW, ZX};
  uint32_t *rows = words + (lanes == 2 ? 0 : 8 * groups * quads);
  for (int start = 0; start < pixels;) {
    int first = start + lanes <= pixels ? start : pixels > lanes ? pixels - lanes : 0;
    int blocks = (pixels - first) / lanes < quads ? (pixels - first) / lanes : quads;
    blocks = blocks > 0 ? blocks : 1;
    uint32_t *to = words;
    for (int k = 0; k < blocks * lanes; k += lanes, to += 2 * lanes * groups)
      if (plain) {
        widen_pixels(to, x + (first + k) * C, C, lanes, ZX, lanes, pixels > 1 ? C : 0);
      } else {
        for (int lane = 0; lane < lanes; lane++) {
          int p = pixels > 1 ? first + k + lane : 0, oy = p / OW, n = oy / OH;
          int y0 = oy % OH * SH - PT, x0 = p % OW * SW - PL;
          if (!copies) {
            widen_window(to + lane, lanes, &windows, n, y0, x0);
          } else if (lanes == 2) {
            copy_window(taps + 4 * groups * lane, &windows, n, y0, x0);
          } else {
            const int8_t *from = x + ((n * H + y0) * W + x0) * C;
            int below = W * C;
            if (!is_inside(&windows, y0, x0)) {
              copy_window(taps, &windows, n, y0, x0);
              from = taps, below = KW * C;
            }
            widen_taps(to + lane, from, below, KH, KW * C, ZX);
          }
        }
        if (copies && lanes == 2) widen_pixels(to, taps, K, lanes, ZX, lanes, 4 * groups);
      }
    int8_t *to_first = y + first * O;
    start = first + blocks * lanes;
    if (single) {
      rows_by_four(&layer, to_first, words);
      continue;
    }
    for (int pair = 0; pair < O; pair += 2) {
      int o = pair + 2 <= O ? pair : O - 2;
      if (lanes == 2) {
        two_by_two(&layer, to_first, pixels > 1 ? O : 0, o, words);
      } else {
        widen_two(rows, w + o * K, w + o * K + K, rows_of_taps, taps_of_row, 2 * groups);
        quads_by_two(&layer, to_first, o, words, rows, 8 * groups, blocks);
      }
    }
  }
  clamp_bytes(y, pixels * O, low, high);
}
