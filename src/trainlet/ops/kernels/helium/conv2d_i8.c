#include "conv2d_i8.h"
#include "dot_products_mve.h"
#include "kernel.h"
#include "rescale_fours_mve.h"
/* on the stack: bytes of windows and of their sums, 32 each; pixels of a map */
enum { WINDOWS = 2048, SUMS = 32, MOST_POINTS = 64 };

static ONE_COPY void conv2d_i8_anywhere(CONV2D_I8_PARAMETERS) {
  conv2d_i8_plain(CONV2D_I8_ARGUMENTS);
}

static inline int8_t *fill_run(int8_t *to, int n, int value) {
  for (; n > 0; n--) *to++ = (int8_t)value;
  return to;
}

/* where windows lie; y0 and x0 are those of one */
typedef struct {
  const int8_t *x, *end;
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

/* n windows inside the map, `step` bytes apart, whose rows of at most 16 bytes are contiguous; what
 * is stored too much is overwritten, or behind the last one.  Few instructions of Flash: a pointer for
 * each row would take 40 bytes more and save 0.03 M instructions of MCUNet. */
static ONE_COPY void copy_inner(int8_t *to, const Windows *k, const int8_t *from, int n, int step,
                                int row) {
  int wide = k->KW * k->C, next = k->DH * k->W * k->C, KH = k->KH;
  mve_pred16_t some = vctp8q((uint32_t)wide);
  if (KH == 3)
    for (; n > 0 && from + 2 * next + 16 <= k->end; n--, from += step, to += row) {
      vstrbq_s8(to, vldrbq_s8(from));
      vstrbq_s8(to + wide, vldrbq_s8(from + next));
      vstrbq_s8(to + 2 * wide, vldrbq_s8(from + 2 * next));
    }
  for (; n > 0; n--, from += step, to += row) {
    int8_t *at = to;
    const int8_t *taps = from;
    for (int ky = KH; ky > 0; ky--, at += wide, taps += next)
      vstrbq_p_s8(at, vldrbq_z_s8(taps, some), some);
  }
}

/* Pixels x[pixels,row] whose first K bytes meet the weights, and their results y[pixels,O]; `end`
 * is where reading ends, of those that are followed by nothing that may be read. */
typedef struct {
  const int8_t *x, *end;
  int8_t *y;
  int pixels, row, K, O;
  Clamp clamp;
  int32_t *even, *odd; /* room for sums of four channels and `most` pixels */
  int most;
} Block;

/* The last pixels of those that vectors read behind. */
typedef struct {
  int8_t bytes[16 * KEPT];
  int pixels;
} Behind;

static inline void take_behind(Behind *last, const Block *k) {
  int behind = k->end && k->K <= 16 * KEPT ? (-k->K & 15) : 0;
  int many = (behind + k->row - 1) / k->row;
  last->pixels = many < k->pixels ? many : k->pixels;
  const int8_t *from = k->x + (k->pixels - last->pixels) * k->row;
  if (last->pixels > 0) copy_run(last->bytes, from, (int)(k->end - from));
}

/* n pixels from `first` on */
static inline Pixels some_pixels(const Block *k, const Behind *last, int first, int n) {
  int before = k->pixels - last->pixels - first; /* pixels that are no copies */
  Pixels some = {k->x + first * k->row, last->bytes, k->row, n, 0};
  if (before < n) some.rest = before < 0 ? n : n - before;
  if (before < 0) some.copy -= before * k->row;
  return some;
}

/* sums of four channels; returns those of their weights */
static inline int32x4_t sums_of_four(int32_t *sums, const int8_t *w, int next, int K,
                                     const Pixels *k) {
  if (K <= 16) return four_meet(sums, w, next, K, k);
  if (K <= 32) return dots_of_32(sums, w, next, K, k);
  if (K <= 48) return dots_of_48(sums, w, next, K, k);
  many_meet(sums, w, next, K, k);
  many_meet(sums + 2, w + 2 * next, next, K, k);
  return sums_of_rows(w, next, K);
}

/* of channels from o on: the even and the odd ones of eight, or four */
static inline void some_outputs(const Block *k, const Behind *last, const int8_t *w,
                                const int32_t *b, const int32_t *q, int ZX, int o) {
  int32_t *even = k->even, *odd = k->odd;
  int K = k->K, eight = k->O >= 8, next = eight ? 2 * K : K;
  w += o * K;
  for (int p = 0; p < k->pixels; p += k->most) {
    int n = k->pixels - p < k->most ? k->pixels - p : k->most;
    Pixels some = some_pixels(k, last, p, n);
    int8_t *y = k->y + p * k->O + o;
    int32x4_t weights = sums_of_four(even, w, next, K, &some);
    if (eight) {
      int32x4_t others = sums_of_four(odd, w + K, next, K, &some);
      EightChannels channels = eight_channels(b, q, k->O, o, ZX, weights, others);
      rescale_eights(y, k->O, even, odd, n, &channels, &k->clamp);
    } else {
      FourChannels channels = four_channels(b, q, k->O, o, ZX, weights);
      rescale_fours(y, k->O, even, n, &channels, &k->clamp);
    }
  }
}

/* at least four channels; the last ones may overlap those before */
static ONE_COPY void all_outputs(const Block *k, const int8_t *w, const int32_t *b,
                                 const int32_t *q, int ZX) {
  int at_once = k->O >= 8 ? 8 : 4;
  Behind last;
  take_behind(&last, k);
  for (int o = 0; o < k->O; o += at_once)
    some_outputs(k, &last, w, b, q, ZX, o + at_once <= k->O ? o : k->O - at_once);
}

/* windows at a time, in pairs if there is room for two */
static inline int most_windows(int row) {
  int most = WINDOWS / (row + SUMS);
  return most > 1 ? most & ~1 : most;
}

static ONE_COPY void conv2d_i8_windows(CONV2D_I8_PARAMETERS) {
  (void)G;
  int32_t room[WINDOWS / 4 + 4];
  Windows windows = {x, x + N * H * W * C, H, W, C, KH, KW, DH, DW, ZX};
  int K = KH * KW * C, row = (K + 15) & ~15, pixels = N * OH * OW;
  int most = most_windows(row), n = 0, oy = 0, ox = 0;
  int8_t *taps = (int8_t *)(room + 8 * most);
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
    Block block = {taps, 0, y + first * O, many, row, K, O, {ZY, low, high},
                   room, room + 4 * most, most};
    all_outputs(&block, w, b, q, ZX);
  }
}

static ONE_COPY void conv2d_i8_points(int8_t *y, const int8_t *x, const int8_t *w,
                                      const int32_t *b, const int32_t *q, int pixels, int C, int O,
                                      int ZX, Clamp clamp) {
  int32_t even[4 * MOST_POINTS], odd[4 * MOST_POINTS];
  Block block = {x, x + pixels * C, y, pixels, C, C, O, clamp, even, odd, MOST_POINTS};
  all_outputs(&block, w, b, q, ZX);
}

/* as the reference kernel: a channel's weights meet one pixel after another */
KERNEL ONE_COPY void k_conv2d_i8(CONV2D_I8_PARAMETERS) {
  int row = (KH * KW * C + 15) & ~15;
  int point = KH * KW * SH * SW == 1 && PT == 0 && PL == 0 && OH == H && OW == W;
  if (G > 1 || O < 4 || (!point && most_windows(row) == 0)) conv2d_i8_anywhere(CONV2D_I8_ARGUMENTS);
  else if (point) conv2d_i8_points(y, x, w, b, q, N * H * W, C, O, ZX, (Clamp){ZY, low, high});
  else conv2d_i8_windows(CONV2D_I8_ARGUMENTS);
}
