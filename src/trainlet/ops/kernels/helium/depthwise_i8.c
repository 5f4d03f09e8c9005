#include "depthwise_i8.h"
#include "depthwise_lanes_mve.h"
#include "kernel.h"
#include "mve.h"
#include "rescale_mve.h"
enum { BAND = 1536, MOST_TAPS = 64, MOST_ROWS = 8 }; /* the band is on the stack, in bytes */

static ONE_COPY void depthwise_i8_anyhow(DEPTHWISE_I8_PARAMETERS) {
  depthwise_i8_plain(DEPTHWISE_I8_ARGUMENTS);
}

/* The map of one channel as a band, column by column: row r of column j is at j * KH + r.  So a
 * window is one run of bytes, and a new row takes the places of the first one, a column further. */
typedef struct {
  const int8_t *x;
  int H, row, C, KH, zero; /* `row`: bytes of a row of the map */
  int left, inside, right; /* columns beside the map, and of the map */
} Band;

static inline int8_t *fill_columns(int8_t *to, int n, const Band *k) {
  for (; n > 0; n--, to += k->KH) *to = (int8_t)k->zero;
  return to;
}

static ONE_COPY void add_row(const Band *k, int8_t *to, int y) {
  int columns = k->inside;
  if (y < 0 || y >= k->H) {
    fill_columns(to, k->left + columns + k->right, k);
    return;
  }
  const int8_t *from = k->x + y * k->row;
  uint16x8_t step = vidupq_n_u16(0, 1);
  uint16x8_t there = vmulq_n_u16(step, (uint16_t)k->C), here = vmulq_n_u16(step, (uint16_t)k->KH);
  to = fill_columns(to, k->left, k);
  int8_t *at = to;
  __asm__ volatile(
      "dlstp.16 lr, %[n]\n"
      "1:\tvldrb.u16 q0, [%[from], %q[there]]\n\t"
      "add %[from], %[from], %[far]\n\t"
      "vstrb.16 q0, [%[to], %q[here]]\n\t"
      "add %[to], %[to], %[near]\n\t"
      "letp lr, 1b"
      : [from] "+r"(from), [to] "+r"(at)
      : [n] "r"(columns), [there] "w"(there), [here] "w"(here), [far] "r"(8 * k->C),
        [near] "r"(8 * k->KH)
      : "lr", "q0", "memory");
  fill_columns(to + columns * k->KH, k->right, k);
}

/* What windows meet: taps in the order of the band, zeros behind them. */
typedef struct {
  int8_t taps[MOST_TAPS + MOST_ROWS];
  int count, step, C; /* taps; bytes to the next window, and to its result */
  Rescale channel;
  Clamp clamp;
} Filter;

static ONE_COPY void order_taps(Filter *f, const int8_t *w, int C, int KH, int KW, int vectors) {
  uint16x8_t rows = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)(KW * C));
  mve_pred16_t some = vctp16q((uint32_t)KH);
  for (int k = 0; k < vectors; k++) vstrbq_s8(f->taps + 16 * k, vdupq_n_s8(0));
  for (int kx = 0; kx < KW; kx++)
    vstrbq_s16(f->taps + kx * KH, vldrbq_gather_offset_z_s16(w + kx * C, rows, some));
}

/* a row of outputs, four by four; the taps stay in their registers */
INLINED int32x4_t four_windows(const int8_t *window, int8x16_t w0, int8x16_t w1, int vectors,
                               int step) {
  int32_t s[4];
#pragma GCC unroll 4
  for (int lane = 0; lane < 4; lane++, window += step) {
    s[lane] = vmladavq_s8(vldrbq_s8(window), w0);
    if (vectors > 1) s[lane] = vmladavaq_s8(s[lane], vldrbq_s8(window + 16), w1);
  }
  return four(s[0], s[1], s[2], s[3]);
}
INLINED void row_of_outputs(const Filter *f, int8_t *y, const int8_t *window, int outputs,
                            int vectors, int step) {
  int8x16_t w0 = vldrbq_s8(f->taps), w1 = w0;
  if (vectors > 1) w1 = vldrbq_s8(f->taps + 16);
  uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)f->C);
  int32x4_t low = vdupq_n_s32(f->clamp.low), high = vdupq_n_s32(f->clamp.high);
  int32_t bias = f->channel.bias, multiplier = f->channel.multiplier, shift = f->channel.shift;
  int32_t zero = f->clamp.zero, out = 4 * f->C;
  for (int quads = outputs / 4; quads > 0; quads--, y += out, window += 4 * step) {
    int32x4_t sum = four_windows(window, w0, w1, vectors, step);
    sum = clamped(rescaled(sum, bias, multiplier, shift), zero, low, high);
    vstrbq_scatter_offset_s32(y, places, sum);
  }
  if (outputs & 3) {
    int32x4_t sum = four_windows(window, w0, w1, vectors, step);
    sum = clamped(rescaled(sum, bias, multiplier, shift), zero, low, high);
    vstrbq_scatter_offset_p_s32(y, places, sum, vctp32q((uint32_t)outputs & 3));
  }
}
static ONE_COPY void row_of_3x3(const Filter *f, int8_t *y, const int8_t *window, int outputs) {
  row_of_outputs(f, y, window, outputs, 1, 3);
}
static ONE_COPY void row_of_16(const Filter *f, int8_t *y, const int8_t *window, int outputs) {
  row_of_outputs(f, y, window, outputs, 1, f->step);
}
static ONE_COPY void row_of_32(const Filter *f, int8_t *y, const int8_t *window, int outputs) {
  row_of_outputs(f, y, window, outputs, 2, f->step);
}
/* any number of taps */
static ONE_COPY void row_of_many(const Filter *f, int8_t *y, const int8_t *window, int outputs) {
  uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)f->C);
  int32x4_t low = vdupq_n_s32(f->clamp.low), high = vdupq_n_s32(f->clamp.high);
  int32x4_t zero = vdupq_n_s32(f->clamp.zero), multiplier = vdupq_n_s32(f->channel.multiplier);
  int32_t bias = f->channel.bias, shift = f->channel.shift, count = f->count, step = f->step;
  int skip = 4 * step - ((count + 15) & ~15);
  const int8_t *x0 = window, *x1 = x0 + step, *x2 = x1 + step, *x3 = x2 + step;
  for (; outputs > 0; outputs -= 4) {
    int32x4_t x = vqrdmulhq_s32(four_dots_i8(f->taps, &x0, &x1, &x2, &x3, count, bias), multiplier);
    x = vrshlq_n_s32(vaddq_s32(x, vshrq_n_s32(x, 31)), shift);
    x = vminq_s32(vmaxq_s32(vaddq_s32(x, zero), low), high);
    if (outputs > 3) vstrbq_scatter_offset_s32(y, places, x);
    else vstrbq_scatter_offset_p_s32(y, places, x, vctp32q((uint32_t)outputs));
    places = vaddq_n_u32(places, 4 * (uint32_t)f->C);
    x0 += skip, x1 += skip, x2 += skip, x3 += skip;
  }
}
static ONE_COPY void plain_row(const Filter *f, int8_t *y, const int8_t *window, int outputs) {
  for (; outputs > 0; outputs--, window += f->step, y += f->C) {
    const int8_t *x0 = window, *x1 = window, *x2 = window, *x3 = window;
    int32x4_t sum = four_dots_i8(f->taps, &x0, &x1, &x2, &x3, MOST_TAPS, 0);
    y[0] = (int8_t)vgetq_lane_s32(results_plainly(sum, &f->channel, &f->clamp), 0);
  }
}

/* bytes of a band, and what windows of its last quad may read behind it */
static inline int room_of_band(int OH, int columns, int KH, int SH, int SW) {
  return columns * KH + OH * SH + 3 * SW * KH + MOST_TAPS;
}

static ONE_COPY void depthwise_band(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *b,
                                    const int32_t *q, int N, int H, int W, int C, int OH, int OW,
                                    int KH, int KW, int SH, int SW, int PT, int PL, int ZX,
                                    Clamp clamp) {
  int columns = (OW - 1) * SW + KW, taps = KH * KW, vectors = taps > 32 ? 4 : (taps + 15) / 16;
  int8_t band[BAND];
  int left = PL < columns ? PL : columns, inside = columns - left < W ? columns - left : W;
  Band map = {x, H, W * C, C, KH, ZX, left, inside, columns - left - inside};
  Filter f = {.count = taps, .step = SW * KH, .C = C, .clamp = clamp};
  for (int c = 0; c < C; c++) {
    order_taps(&f, w + c, C, KH, KW, MOST_TAPS / 16);
    int32_t zeros = -ZX * sum_of_bytes(f.taps, MOST_TAPS);
    f.channel = (Rescale){wrap_add(b[c], zeros), q[c], q[C + c]};
    for (int n = 0; n < N; n++) {
      map.x = x + n * H * W * C + c;
      int8_t *to = y + n * OH * OW * C + c, *window = band;
      for (int oy = 0, row = 0; oy < OH; oy++, window += SH, to += OW * C) {
        for (; row < oy * SH + KH; row++) add_row(&map, band + row, row - PT);
        if (f.channel.shift >= 0) plain_row(&f, to, window, OW);
        else if (taps == 9 && f.step == 3) row_of_3x3(&f, to, window, OW);
        else if (vectors == 1) row_of_16(&f, to, window, OW);
        else if (vectors == 2) row_of_32(&f, to, window, OW);
        else row_of_many(&f, to, window, OW);
      }
    }
  }
}

/* as the reference kernel: maps of few pixels eight channels at a time, others one by one */
KERNEL ONE_COPY void k_depthwise_i8(DEPTHWISE_I8_PARAMETERS) {
  Clamp clamp = {ZY, low, high};
  if (DH > 1 || DW > 1 || KH > MOST_ROWS || KH * KW > MOST_TAPS || KW * C > 8191)
    depthwise_i8_anyhow(DEPTHWISE_I8_ARGUMENTS);
  else if (fits_small(q + C, H, W, C, OW, KH, KW))
    depthwise_small(y, x, w, b, q, N, H, W, C, OH, OW, KH, KW, SH, SW, PT, PL, ZX, clamp);
  else if (room_of_band(OH, (OW - 1) * SW + KW, KH, SH, SW) <= BAND)
    depthwise_band(y, x, w, b, q, N, H, W, C, OH, OW, KH, KW, SH, SW, PT, PL, ZX, clamp);
  else
    depthwise_i8_anyhow(DEPTHWISE_I8_ARGUMENTS);
}
