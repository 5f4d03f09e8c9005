#include "dot_bytes.h"
#include "dsp.h"
#include "kernel.h"
/* sums += (x - zero) w over n bytes, a multiple of four, of four rows of w */
static ONE_COPY void dot_four_rows(int32_t *sums, const int8_t *x, const int8_t *w, int n, int row,
                                   uint32_t zeros) {
  int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
  const int8_t *w1 = w + row, *w2 = w1 + row, *w3 = w2 + row, *end = x + n;
  while (x != end) {
    uint32_t u = load_bytes(x), v, even = ssub16(sxtb16(u), zeros),
             odd = ssub16(sxtb16_ror8(u), zeros);
    x += 4;
    v = load_bytes(w), w += 4, a = smlad(even, sxtb16(v), a), a = smlad(odd, sxtb16_ror8(v), a);
    v = load_bytes(w1), w1 += 4, b = smlad(even, sxtb16(v), b), b = smlad(odd, sxtb16_ror8(v), b);
    v = load_bytes(w2), w2 += 4, c = smlad(even, sxtb16(v), c), c = smlad(odd, sxtb16_ror8(v), c);
    v = load_bytes(w3), w3 += 4, d = smlad(even, sxtb16(v), d), d = smlad(odd, sxtb16_ror8(v), d);
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}
/* as the reference kernel, two products at a time, of four outputs */
KERNEL ONE_COPY void k_linear_i8_f32(float *restrict y, const int8_t *x, const int8_t *w,
                                     const int32_t *b, const float *s, int R, int O, int I, float S,
                                     int Z) {
  uint32_t zeros = ((uint32_t)Z & 0xFFFFu) | (uint32_t)Z << 16;
  int whole = I & ~3, fours = O & ~3;
  for (int r = 0; r < R; r++, x += I) {
    for (int o = 0; o < fours; o += 4) {
      int32_t sums[4] = {b[o], b[o + 1], b[o + 2], b[o + 3]};
      const int8_t *rows = w + o * I;
      dot_four_rows(sums, x, rows, whole, I, zeros);
      for (int k = 0; k < 4; k++, rows += I) {
        if (I != whole) sums[k] = dot_bytes(sums[k], x + whole, rows + whole, I - whole, Z);
        *y++ = (float)sums[k] * (S * s[o + k]);
      }
    }
    for (int o = fours; o < O; o++) *y++ = (float)dot_bytes(b[o], x, w + o * I, I, Z) * (S * s[o]);
  }
}
