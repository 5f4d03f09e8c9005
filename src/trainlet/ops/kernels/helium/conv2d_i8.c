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

/* n windows inside the map, `step` bytes apart, whose rows of at most 16 bytes are contiguous */
static ONE_COPY void copy_inner(int8_t *to, const Windows *k, const int8_t *from, int n, int step,
                                int row) {
  int wide = k->KW * k->C, next = k->DH * k->W * k->C, KH = k->KH;
  mve_pred16_t some = vctp8q((uint32_t)wide);
  for (; n > 0; n--, from += step, to += row) {
    int8_t *at = to;
    const int8_t *taps = from;
    for (int ky = KH; ky > 0; ky--, at += wide, taps += next)
      vstrbq_p_s8(at, vldrbq_z_s8(taps, some), some);
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

/* one output channel of all pixels, four by four */
static ONE_COPY void any_rows(const Block *k, int8_t *y, const int8_t *w, const Rescale *c) {
  uint32x4_t places = (uint32x4_t)four(0, spread(k, 1, k->O), spread(k, 2, k->O),
                                       spread(k, 3, k->O));
  int32x4_t low = vdupq_n_s32(k->clamp.low), high = vdupq_n_s32(k->clamp.high);
  int32x4_t zero = vdupq_n_s32(k->clamp.zero), multiplier = vdupq_n_s32(c->multiplier);
  const int8_t *x0 = k->x, *x1 = x0 + spread(k, 1, k->row), *x2 = x0 + spread(k, 2, k->row);
  const int8_t *x3 = x0 + spread(k, 3, k->row);
  int K = k->K, skip = 4 * k->row - ((K + 15) & ~15);
  uint32_t out = 4 * (uint32_t)k->O;
  int32_t bias = c->bias, shift = c->shift;
  for (int quads = (k->pixels + 3) / 4; quads > 0; quads--) {
    int32x4_t x = vqrdmulhq_s32(four_dots_i8(w, &x0, &x1, &x2, &x3, K, bias), multiplier);
    x = vrshlq_n_s32(vaddq_s32(x, vshrq_n_s32(x, 31)), shift);
    x = vminq_s32(vmaxq_s32(vaddq_s32(x, zero), low), high);
    vstrbq_scatter_offset_s32(y, places, x);
    places = vaddq_n_u32(places, out);
    x0 += skip, x1 += skip, x2 += skip, x3 += skip;
  }
}

/* Weights in registers: of a row of an odd number of eights, also as they meet the second one of
 * two pixels, which begins in the middle of a vector. */
typedef struct {
  int8x16_t first, second, third, fourth;
} Kept;

/* sixteen weights from w[at] on, zeros outside w[K] */
INLINED int8x16_t kept_weights(const int8_t *w, int at, int K) {
  if (at >= 0) return vldrbq_z_s8(w + at, vctp8q((uint32_t)(K - at)));
  return vldrbq_gather_offset_z_s8(w, vsubq_n_u8(vidupq_n_u8(0, 1), 8), 0xFF00);
}

/* four pixels of `halves` times eight bytes */
INLINED int32x4_t four_pixels(const int8_t *x, Kept w, int halves) {
  int32_t s[4];
#pragma GCC unroll 2
  for (int lane = 0; lane < 4; lane += 2, x += 16 * halves) {
    int8x16_t middle = vldrbq_s8(x + 16 * (halves / 2));
    s[lane] = vmladavq_s8(halves == 1 ? middle : vldrbq_s8(x), w.first);
    if (halves == 1) {
      s[lane + 1] = vmladavq_s8(middle, w.second);
    } else if (halves == 3) {
      s[lane] = vmladavaq_s8(s[lane], middle, w.second);
      s[lane + 1] = vmladavq_s8(middle, w.third);
      s[lane + 1] = vmladavaq_s8(s[lane + 1], vldrbq_s8(x + 32), w.fourth);
    } else {
      const int8_t *next = x + 8 * halves;
      s[lane + 1] = vmladavq_s8(vldrbq_s8(next), w.first);
      if (halves > 2) s[lane] = vmladavaq_s8(s[lane], vldrbq_s8(x + 16), w.second);
      if (halves > 2) s[lane + 1] = vmladavaq_s8(s[lane + 1], vldrbq_s8(next + 16), w.second);
      if (halves > 4) s[lane] = vmladavaq_s8(s[lane], vldrbq_s8(x + 32), w.third);
      if (halves > 4) s[lane + 1] = vmladavaq_s8(s[lane + 1], vldrbq_s8(next + 32), w.third);
    }
  }
  return four(s[0], s[1], s[2], s[3]);
}

/* as any_rows, for rows of `halves` times eight bytes */
INLINED void rows_of_halves(const Block *k, int8_t *y, const int8_t *w, const Rescale *c,
                            int halves) {
  int K = k->K;
  Kept kept = {.first = kept_weights(w, 0, K)};
  if (halves == 1) kept.second = kept_weights(w, -8, K);
  if (halves > 1) kept.second = kept_weights(w, 16, K);
  if (halves == 3) kept.third = kept_weights(w, -8, K), kept.fourth = kept_weights(w, 8, K);
  if (halves > 4) kept.third = kept_weights(w, 32, K);
  uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)k->O);
  int32x4_t low = vdupq_n_s32(k->clamp.low), high = vdupq_n_s32(k->clamp.high);
  int32_t bias = c->bias, multiplier = c->multiplier, shift = c->shift, zero = k->clamp.zero;
  const int8_t *x = k->x;
  int out = 4 * k->O;
  for (int quads = k->pixels / 4; quads > 0; quads--, x += 32 * halves, y += out) {
    int32x4_t sum = four_pixels(x, kept, halves);
    sum = clamped(rescaled(sum, bias, multiplier, shift), zero, low, high);
    vstrbq_scatter_offset_s32(y, places, sum);
  }
}
static ONE_COPY void rows_of_8(const Block *k, int8_t *y, const int8_t *w, const Rescale *c) {
  rows_of_halves(k, y, w, c, 1);
}
static ONE_COPY void rows_of_16(const Block *k, int8_t *y, const int8_t *w, const Rescale *c) {
  rows_of_halves(k, y, w, c, 2);
}
static ONE_COPY void rows_of_24(const Block *k, int8_t *y, const int8_t *w, const Rescale *c) {
  rows_of_halves(k, y, w, c, 3);
}
static ONE_COPY void rows_of_32(const Block *k, int8_t *y, const int8_t *w, const Rescale *c) {
  rows_of_halves(k, y, w, c, 4);
}
static ONE_COPY void rows_of_48(const Block *k, int8_t *y, const int8_t *w, const Rescale *c) {
  rows_of_halves(k, y, w, c, 6);
}
static ONE_COPY void plain_rows(const Block *k, int8_t *y, const int8_t *w, const Rescale *c) {
  for (int p = 0; p < k->pixels; p++, y += k->O) {
    const int8_t *x = k->x + p * k->row;
    const int8_t *x1 = x, *x2 = x, *x3 = x;
    int32x4_t sum = four_dots_i8(w, &x, &x1, &x2, &x3, k->K, 0);
    y[0] = (int8_t)vgetq_lane_s32(results_plainly(sum, c, &k->clamp), 0);
  }
}

/* `pixels` is a multiple of four, or less than four */
static ONE_COPY void quads_of_outputs(const Block *k, const int8_t *w, const int32_t *b,
                                      const int32_t *q, int ZX) {
  int whole = k->pixels > 3 ? k->row : 0;
  for (int o = 0; o < k->O; o++, w += k->K) {
    int32_t zeros = -ZX * sum_of_bytes(w, k->K);
    Rescale c = {wrap_add(b[o], zeros), q[o], q[k->O + o]};
    if (c.shift >= 0) plain_rows(k, k->y + o, w, &c);
    else if (whole == 8) rows_of_8(k, k->y + o, w, &c);
    else if (whole == 16) rows_of_16(k, k->y + o, w, &c);
    else if (whole == 24) rows_of_24(k, k->y + o, w, &c);
    else if (whole == 32) rows_of_32(k, k->y + o, w, &c);
    else if (whole == 48) rows_of_48(k, k->y + o, w, &c);
    else any_rows(k, k->y + o, w, &c);
  }
}

/* the last four pixels may overlap those before */
static void all_outputs(Block *k, const int8_t *w, const int32_t *b, const int32_t *q, int ZX) {
  int rest = k->pixels > 3 ? k->pixels & 3 : 0, before = k->pixels - 4;
  k->pixels -= rest;
  quads_of_outputs(k, w, b, q, ZX);
  if (rest == 0) return;
  k->x += before * k->row, k->y += before * k->O, k->pixels = 4;
  quads_of_outputs(k, w, b, q, ZX);
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
  int most = WINDOWS / row, n = 0, oy = 0, ox = 0;
  int inner = (PL + SW - 1) / SW; /* the first window inside a row, and the end of those */
  int inner_end = KW * C <= 16 && DW == 1 && W >= KW ? (W - KW + PL) / SW + 1 : 0;
  if (inner_end > OW) inner_end = OW;
  for (int first = 0; first < pixels; first += most) {
    int many = pixels - first < most ? pixels - first : most;
    int8_t *to = taps;
    for (int k = 0; k < many;) {
      if (ox == OW) ox = 0, oy++;
      if (oy == OH) oy = 0, n++;
      int y0 = oy * SH - PT, run = inner_end - ox < many - k ? inner_end - ox : many - k;
      if (ox >= inner && run > 0 && y0 >= 0 && y0 + (KH - 1) * DH < H) {
        copy_inner(to, &windows, x + ((n * H + y0) * W + ox * SW - PL) * C, run, SW * C, row);
      } else {
        copy_window(to, &windows, n, y0, ox * SW - PL);
        run = 1;
      }
      k += run, ox += run, to += run * row;
    }
    Block block = {taps, y + first * O, many, row, K, O, clamp};
    all_outputs(&block, w, b, q, ZX);
  }
}
