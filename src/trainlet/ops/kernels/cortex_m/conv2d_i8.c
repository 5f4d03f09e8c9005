#include "conv2d_i8.h"
#include "dsp.h"
#include "kernel.h"
#include "products.h"
#include "rescale_fast.h"
enum { WORDS = 576 }; /* on the stack: two pixels of 576 inputs, or 16 of 64 and two rows of w */

/* a window as contiguous bytes: where it lies, or copied to `taps`, zero points outside the map */
static inline const int8_t *window_bytes(int8_t *taps, const int8_t *x, int H, int W, int C,
                                         int KH, int KW, int y0, int x0, int DH, int DW, int ZX) {
  if (KH * KW == 1 && y0 >= 0 && x0 >= 0 && y0 < H && x0 < W) return x + (y0 * W + x0) * C;
  int8_t *to = taps;
  for (int ky = 0; ky < KH; ky++)
    for (int kx = 0; kx < KW; kx++) {
      int iy = y0 + ky * DH, ix = x0 + kx * DW;
      const int8_t *from = x + (iy * W + ix) * C;
      int inside = iy >= 0 && iy < H && ix >= 0 && ix < W;
      for (int c = 0; c < C; c++) *to++ = inside ? from[c] : (int8_t)ZX;
    }
  return taps;
}

/* as the reference kernel: blocks of pixels are widened on the stack, then meet all of w */
KERNEL ONE_COPY void k_conv2d_i8(CONV2D_I8_PARAMETERS) {
  int K = KH * KW * C, groups = (K + 3) / 4, pixels = N * OH * OW;
  int copies = KH * KW > 1 || PT > 0 || PL > 0 || (OH - 1) * SH >= H || (OW - 1) * SW >= W;
  int room = WORDS - (copies ? groups : 0);
  if (G > 1 || 4 * groups > room || !fast_channels(b, q, O, K)) {
    conv2d_i8_plain(CONV2D_I8_ARGUMENTS);
    return;
  }
  uint32_t words[WORDS];
  int8_t *taps = (int8_t *)(words + room);
  int lanes = pixels < 4 || 12 * groups > room ? 2 : 4; /* pixels side by side */
  int quads = 36 * groups <= room ? 4 : 20 * groups <= room ? 2 : 1;
  int block = lanes == 2 ? 2 : 4 * quads;
  uint32_t *rows = words + 8 * groups * quads;
  for (int start = 0; start < pixels; start += block) {
    int end = start + block < pixels ? start + block : pixels;
    for (int first = start, at = 0; first < end; first += lanes, at += 8 * groups)
      for (int k = 0; k < lanes; k++) {
        int p = (first + lanes < pixels ? first : pixels - lanes) + k;
        p = p < 0 ? 0 : p;
        const int8_t *bytes = x + p * C;
        if (copies || SH * SW > 1) {
          int n = p / (OH * OW), oy = p / OW % OH, ox = p % OW;
          bytes = window_bytes(taps, x + n * H * W * C, H, W, C, KH, KW, oy * SH - PT,
                               ox * SW - PL, DH, DW, ZX);
        }
        widen_doubled(words + at + k, bytes, K, lanes, ZX);
      }
    for (int o = 0; o < O; o += 2) {
      int next = o + 1 < O ? o + 1 : o;
      Channel even = channel(b, q, O, o), odd = channel(b, q, O, next);
      const int8_t *w0 = w + o * K, *w1 = w + next * K;
      if (lanes == 2) {
        int p = start + 2 < pixels ? start : pixels > 1 ? pixels - 2 : 0;
        two_by_two(y + p * O + o, y + p * O + next, pixels > 1 ? O : 0, words, w0, w1, K, even,
                   odd, ZY);
        continue;
      }
      widen_two(rows, w0, w1, K);
      for (int first = start, at = 0; first < end; first += 4, at += 8 * groups) {
        int p = first + 4 < pixels ? first : pixels - 4;
        four_by_two(y + p * O + o, y + p * O + next, O, words + at, rows, 8 * groups, even, odd,
                    ZY);
      }
    }
  }
  clamp_bytes(y, pixels * O, low, high);
}
