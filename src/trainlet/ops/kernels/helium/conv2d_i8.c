#include "conv2d_i8.h"
#include "kernel.h"
#include "mve.h"
#include "rescale_mve.h"
enum { WINDOWS = 2048 }; /* bytes on the stack */

static ONE_COPY void conv2d_i8_anywhere(CONV2D_I8_PARAMETERS) {
  conv2d_i8_plain(CONV2D_I8_ARGUMENTS);
}

static inline int8_t *fill_run(int8_t *to, int n, int value) {
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
      to = fill_run(to, KW * C, k->ZX);
      continue;
    }
    to = fill_run(to, kx0 * C, k->ZX);
    if (DW == 1)
      to = copy_run(to, from, (kx1 - kx0) * C);
    else
      for (int kx = 0; kx < kx1 - kx0; kx++) to = copy_run(to, from + kx * DW * C, C);
    to = fill_run(to, (KW - kx1) * C, k->ZX);
  }
}

/* Pixels x[pixels,row] whose first K bytes meet the weights, and their results y[pixels,O]. */
typedef struct {
  const int8_t *x;
  int8_t *y;
  int pixels, row, K, O;
  Clamp clamp;
} Block;

/* the offset of each pixel of a quad; the last one stands in for those that are missing */
static inline int spread(const Block *k, int lane, int row) {
  return (lane < k->pixels ? lane : k->pixels - 1) * row;
}

/* one output channel of all pixels, four by four; the last four may be done twice */
static ONE_COPY void any_rows(const Block *k, int8_t *y, const int8_t *w, const Rescale *c) {
  int one = spread(k, 1, k->row), two = spread(k, 2, k->row), three = spread(k, 3, k->row);
  uint32x4_t places = (uint32x4_t)four(0, spread(k, 1, k->O), spread(k, 2, k->O),
                                       spread(k, 3, k->O));
  int32x4_t low = vdupq_n_s32(k->clamp.low), high = vdupq_n_s32(k->clamp.high);
  int32_t bias = c->bias, multiplier = c->multiplier, shift = c->shift, zero = k->clamp.zero;
  const int8_t *x = k->x;
  int K = k->K, left = k->pixels, row = 4 * k->row, out = 4 * k->O;
  for (;;) {
    int32x4_t sum = four_dots_i8(w, x, x + one, x + two, x + three, K);
    sum = clamped(rescaled(sum, bias, multiplier, shift), zero, low, high);
    vstrbq_scatter_offset_s32(y, places, sum);
    left -= 4;
    if (left <= 0) return;
    x += row, y += out;
    if (left < 4) x -= (4 - left) * k->row, y -= (4 - left) * k->O, left = 4;
  }
}

/* the same for pixels of `vectors` times 16 bytes; the weights stay in their registers */
INLINED void rows_of_vectors(const Block *k, int8_t *y, const int8_t *w, const Rescale *c,
                             int vectors) {
  int8x16_t w0 = vldrbq_z_s8(w, vctp8q((uint32_t)k->K)), w1 = w0, w2 = w0;
  if (vectors > 1) w1 = vldrbq_z_s8(w + 16, vctp8q((uint32_t)k->K - 16));
  if (vectors > 2) w2 = vldrbq_z_s8(w + 32, vctp8q((uint32_t)k->K - 32));
  uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)k->O);
  int32x4_t low = vdupq_n_s32(k->clamp.low), high = vdupq_n_s32(k->clamp.high);
  int32_t bias = c->bias, multiplier = c->multiplier, shift = c->shift, zero = k->clamp.zero;
  const int8_t *x = k->x;
  int left = k->pixels, out = 4 * k->O;
  for (;;) {
    int32_t s[4];
#pragma GCC unroll 4
    for (int lane = 0; lane < 4; lane++) {
      s[lane] = vmladavq_s8(vldrbq_s8(x), w0);
      if (vectors > 1) s[lane] = vmladavaq_s8(s[lane], vldrbq_s8(x + 16), w1);
      if (vectors > 2) s[lane] = vmladavaq_s8(s[lane], vldrbq_s8(x + 32), w2);
      x += 16 * vectors;
    }
    int32x4_t sum = four(s[0], s[1], s[2], s[3]);
    sum = clamped(rescaled(sum, bias, multiplier, shift), zero, low, high);
    vstrbq_scatter_offset_s32(y, places, sum);
    left -= 4;
    if (left <= 0) return;
    y += out;
    if (left < 4) x -= (4 - left) * 16 * vectors, y -= (4 - left) * k->O, left = 4;
  }
}
static ONE_COPY void rows_of_16(const Block *k, int8_t *y, const int8_t *w, const Rescale *c) {
  rows_of_vectors(k, y, w, c, 1);
}
static ONE_COPY void rows_of_32(const Block *k, int8_t *y, const int8_t *w, const Rescale *c) {
  rows_of_vectors(k, y, w, c, 2);
}
static ONE_COPY void rows_of_48(const Block *k, int8_t *y, const int8_t *w, const Rescale *c) {
  rows_of_vectors(k, y, w, c, 3);
}
static ONE_COPY void plain_rows(const Block *k, int8_t *y, const int8_t *w, const Rescale *c) {
  for (int p = 0; p < k->pixels; p++, y += k->O) {
    const int8_t *x = k->x + p * k->row;
    int32x4_t sum = results_plainly(four_dots_i8(w, x, x, x, x, k->K), c, &k->clamp);
    y[0] = (int8_t)vgetq_lane_s32(sum, 0);
  }
}

static void all_outputs(const Block *k, const int8_t *w, const int32_t *b, const int32_t *q,
                        int ZX) {
  int whole = k->pixels > 3 ? k->row : 0;
  for (int o = 0; o < k->O; o++, w += k->K) {
    int32_t zeros = -ZX * sum_of_bytes(w, k->K);
    Rescale c = {wrap_add(b[o], zeros), q[o], q[k->O + o]};
    if (c.shift >= 0) plain_rows(k, k->y + o, w, &c);
    else if (whole == 16) rows_of_16(k, k->y + o, w, &c);
    else if (whole == 32) rows_of_32(k, k->y + o, w, &c);
    else if (whole == 48) rows_of_48(k, k->y + o, w, &c);
    else any_rows(k, k->y + o, w, &c);
  }
}

/* as the reference kernel: a channel's weights meet four pixels at a time, then the next four */
KERNEL ONE_COPY void k_conv2d_i8(CONV2D_I8_PARAMETERS) {
  int K = KH * KW * C, row = (K + 15) & ~15, pixels = N * OH * OW;
  int copies = KH * KW * SH * SW > 1 || PT > 0 || PL > 0 || OH > H || OW > W;
  if (G > 1 || (copies && 4 * row > WINDOWS)) {
    conv2d_i8_anywhere(CONV2D_I8_ARGUMENTS);
    return;
  }
  Clamp clamp = {ZY, low, high};
  if (!copies) {
    Block block = {x, y, pixels, C, C, O, clamp};
    all_outputs(&block, w, b, q, ZX);
    return;
  }
  int8_t taps[WINDOWS];
  Windows windows = {x, H, W, C, KH, KW, DH, DW, ZX};
  int most = WINDOWS / row;
  for (int first = 0; first < pixels; first += most) {
    int many = pixels - first < most ? pixels - first : most;
    for (int k = 0; k < many; k++) {
      int p = first + k, oy = p / OW, ox = p % OW;
      copy_window(taps + k * row, &windows, oy / OH, oy % OH * SH - PT, ox * SW - PL);
    }
    Block block = {taps, y + first * O, many, row, K, O, clamp};
    all_outputs(&block, w, b, q, ZX);
  }
}
