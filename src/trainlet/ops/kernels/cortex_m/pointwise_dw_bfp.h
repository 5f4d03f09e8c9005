/* The weight gradient of 1x1 convolutions and linear layers: two pixels in an instruction.  Sums of
 * 256 products fit 32 bits. */
#ifndef TRAINLET_POINTWISE_DW_BFP_H
#define TRAINLET_POINTWISE_DW_BFP_H
#include "add_products.h"
#include "bfp.h"
#include "dsp.h"
#include "factors_bfp.h"
#include "move_weights.h"
#include <stdint.h>
enum { DW_PIXELS = 64, DW_OUTPUTS = 8, DW_CHANNELS = 16, ROW_OF_SCALED = DW_CHANNELS + 4 };
enum { FIT_32_BITS = 256 };

static inline uint32_t *pair_two_gradients(uint32_t *to, uint32_t first, uint32_t second) {
  STORE_PAIR(to, pkhbt(first, second), pkhtb(second, first));
  return to;
}

/* two outputs of n pixels in pairs of pixels; zeros up to `words` */
static ONE_COPY void pair_gradients(uint32_t *to, const void *g, int at, int O, int n, int words,
                                    int bytes) {
  const uint32_t *end = to + words;
  for (; n >= 2; n -= 2, at += 2 * O)
    to = pair_two_gradients(to, two_mantissas(g, at, bytes), two_mantissas(g, at + O, bytes));
  if (n) to = pair_two_gradients(to, two_mantissas(g, at, bytes), 0);
  while (to != end) *to++ = 0;
}

static inline uint32_t *pair_two_inputs(uint32_t *to, uint32_t first, uint32_t second,
                                        uint32_t zeros) {
  uint32_t pair[4];
  pair_bytes(pair, first, second);
  for (int k = 0; k < 4; k++) pair[k] = ssub16(pair[k], zeros);
  return put_pairs(to, pair);
}

/* x - zero of four channels of n pixels in pairs of pixels; zeros up to `words` */
static ONE_COPY void pair_inputs(uint32_t *to, const int8_t *x, int C, int n, int words, int zero) {
  const uint32_t *end = to + words;
  uint32_t zeros = ((uint32_t)zero & 0xFFFFu) | (uint32_t)zero << 16;
  for (; n >= 2; n -= 2, x += 2 * C)
    to = pair_two_inputs(to, load_bytes(x), load_bytes(x + C), zeros);
  if (n) to = pair_two_inputs(to, load_bytes(x), 0, zeros);
  while (to != end) *to++ = 0;
}

/* scale * g[P,O]' (x[P,C] - Z), each once; at least two outputs and four channels */
static ONE_COPY void pointwise_dw_bfp(Gradients to, const void *g, const int8_t *x, float scale,
                                      int P, int O, int C, int Z, int bytes) {
  int64_t totals[4 * DW_OUTPUTS];
  int32_t sums[4 * DW_OUTPUTS];
  float scaled[DW_OUTPUTS * ROW_OF_SCALED];
  uint32_t gradients[DW_OUTPUTS / 2 * DW_PIXELS], inputs[2 * DW_PIXELS];
  for (int o0 = 0; o0 < O; o0 += DW_OUTPUTS) {
    int pairs = (O - o0 < DW_OUTPUTS ? O - o0 + 1 : DW_OUTPUTS) / 2, all = 8 * pairs;
    for (int quad = 0, c0 = 0; quad < C; quad += 4) {
      int c = quad + 4 <= C ? quad : C - 4;
      for (int k = 0; k < all; k++) totals[k] = sums[k] = 0;
      for (int p0 = 0; p0 < P; p0 += DW_PIXELS) {
        int n = P - p0 < DW_PIXELS ? P - p0 : DW_PIXELS, words = (n + 7) & ~7;
        if (quad == 0 || P > DW_PIXELS)
          for (int k = 0; k < pairs; k++) {
            int o = o0 + 2 * k + 2 <= O ? o0 + 2 * k : O - 2;
            pair_gradients(gradients + k * words, g, p0 * O + o, O, n, words, bytes);
          }
        pair_inputs(inputs, x + p0 * C + c, C, n, 2 * words, Z);
        add_products(sums, gradients, inputs, words, pairs, 8);
        if (P > FIT_32_BITS && (p0 + n) % FIT_32_BITS == 0)
          for (int k = 0; k < all; k++) totals[k] += sums[k], sums[k] = 0;
      }
      float *row = scaled + 4 + c - c0; /* what is left of C may begin before c0 */
      for (int k = 0; k < all; k += 4, row += ROW_OF_SCALED)
        for (int j = 0; j < 4; j++)
          row[j] = scale * (P > FIT_32_BITS ? (float)(totals[k + j] + sums[k + j])
                                            : (float)sums[k + j]);
      if (quad + 4 - c0 == DW_CHANNELS || quad + 4 >= C) {
        put_gradients(&to, scaled + 4, ROW_OF_SCALED, o0, O, c0, c + 4 - c0, C);
        c0 = quad + 4;
      }
    }
  }
}
#endif
