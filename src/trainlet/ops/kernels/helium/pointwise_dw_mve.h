/* The weight gradient of 1x1 convolutions, eight pixels in an instruction. */
#ifndef TRAINLET_POINTWISE_DW_MVE_H
#define TRAINLET_POINTWISE_DW_MVE_H
#include "bfp.h"
#include "move_four_mve.h"
#include "mve.h"
#include "put_gradient.h"
enum { COLUMNS = 2048, MOST_PIXELS = 256, MOST_COLUMNS = 64 }; /* on the stack */

/* column[P] of x[P,C] */
static ONE_COPY void take_column(int8_t *to, const int8_t *x, int P, int C) {
  uint16x8_t rows = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)C);
  for (; P > 0; P -= 8, x += 8 * C, to += 8) {
    mve_pred16_t some = vctp16q((uint32_t)P);
    vstrbq_p_s16(to, vldrbq_gather_offset_z_s16(x, rows, some), some);
  }
}

/* column[P] of g[P,O]; returns its sum */
static ONE_COPY int32_t take_mantissas(int16_t *to, const void *g, int at, int P, int O,
                                       int bytes) {
  uint16x8_t rows = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)O);
  const int16_t *wide = (const int16_t *)g + at;
  const int8_t *narrow = (const int8_t *)g + at;
  int32_t sum = 0;
  for (; P > 0; P -= 8, to += 8) {
    mve_pred16_t some = vctp16q((uint32_t)P);
    int16x8_t m;
    if (bytes == 2) m = vldrhq_gather_shifted_offset_z_s16(wide, rows, some), wide += 8 * O;
    else m = vldrbq_gather_offset_z_s16(narrow, rows, some), narrow += 8 * O;
    vstrhq_p_s16(to, m, some);
    sum = vaddvaq_s16(sum, m);
  }
  return sum;
}

/* m[P] times four columns of P bytes */
INLINED int32x4_t four_columns(const int16_t *m, const int8_t *x0, const int8_t *x1,
                               const int8_t *x2, const int8_t *x3, int P) {
  int32_t a = 0, b = 0, c = 0, d = 0;
  __asm__ volatile(
      "dlstp.16 lr, %[n]\n"
      "1:\tvldrh.16 q0, [%[m]], #16\n\t"
      "vldrb.s16 q1, [%[x0]], #8\n\t"
      "vmladava.s16 %[a], q0, q1\n\t"
      "vldrb.s16 q2, [%[x1]], #8\n\t"
      "vmladava.s16 %[b], q0, q2\n\t"
      "vldrb.s16 q1, [%[x2]], #8\n\t"
      "vmladava.s16 %[c], q0, q1\n\t"
      "vldrb.s16 q2, [%[x3]], #8\n\t"
      "vmladava.s16 %[d], q0, q2\n\t"
      "letp lr, 1b"
      : [a] "+Te"(a), [b] "+Te"(b), [c] "+Te"(c), [d] "+Te"(d), [m] "+r"(m), [x0] "+l"(x0),
        [x1] "+l"(x1), [x2] "+l"(x2), [x3] "+l"(x3)
      : [n] "r"(P)
      : "lr", "q0", "q1", "q2", "memory");
  return four(a, b, c, d);
}

/* gradients of output o's channels from c on, `sums` times the scale; `factor` is 0 where they go
 * one by one */
static ONE_COPY void put_sums(const Gradients *to, int o, int C, int c, int many,
                              const int32_t *sums, float scale, float factor) {
  if (factor != 0.0f)
    move_weights(to->p, o * to->row + c, o * C + c, many, sums, scale, -factor, &to->planes);
  else
    for (int k = 0; k < many; k++) put_gradient(to, o, C, c + k, (float)sums[k] * scale);
}

/* what a sum times the scale is multiplied by, or 0 */
static inline float four_at_once(const Gradients *to, int o, int C, float scale) {
  if (!to->p || !fits_four_weights(&to->planes, C)) return 0.0f;
  float factor = to->lr * to->inverse[o] * (float)(1 << to->planes.bits);
  return no_denormals(scale, factor) ? factor : 0.0f;
}

/* scale * g[P,O]' (x[P,C] - Z), the inputs of each channel side by side */
static ONE_COPY void pointwise_dw_mve(Gradients to, const void *g, const int8_t *x, float scale,
                                      int P, int O, int C, int Z, int bytes) {
  int8_t columns[COLUMNS];
  int16_t m[MOST_PIXELS];
  int32_t sums[MOST_COLUMNS];
  int room = COLUMNS / P / 4 * 4, most = room < MOST_COLUMNS ? room : MOST_COLUMNS;
  for (int c0 = 0; c0 < C; c0 += most) {
    int many = C - c0 < most ? C - c0 : most;
    for (int c = 0; c < many; c++) take_column(columns + c * P, x + c0 + c, P, C);
    for (int o = 0; o < O; o++) {
      int32_t zeros = Z * take_mantissas(m, g, o, P, O, bytes);
      const int8_t *x0 = columns;
      for (int c = 0; c < many; c += 4, x0 += 4 * P) {
        int32x4_t sum = four_columns(m, x0, x0 + P, x0 + 2 * P, x0 + 3 * P, P);
        vst1q_s32(sums + c, vsubq_n_s32(sum, zeros));
      }
      put_sums(&to, o, C, c0, many, sums, scale, four_at_once(&to, o, C, scale));
    }
  }
}

static inline int fits_pointwise_dw_mve(int P, int C, int O) {
  return P <= MOST_PIXELS && C <= 8191 && O <= 8191;
}
#endif
