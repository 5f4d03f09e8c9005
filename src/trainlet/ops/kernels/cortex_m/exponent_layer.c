#include "bfp.h"
#include "exponent_layer.h"
#include "halves.h"
#include "kernel.h"
static inline int32_t most(int32_t a, int32_t b) { return a > b ? a : b; }

/* of four columns of g[R,O] the largest magnitudes, two in a word */
INLINED void largest_of_four(uint32_t to[2], const int16_t *g, int R, int O) {
  uint32_t most01 = 0, least01 = 0, most23 = 0, least23 = 0;
  for (; R >= 2; R -= 2, g += 2 * O) {
    stretch_halves(&most01, &least01, load_bytes(g), load_bytes(g + O));
    stretch_halves(&most23, &least23, load_bytes(g + 2), load_bytes(g + O + 2));
  }
  if (R) {
    most01 = most_halves(most01, load_bytes(g));
    most23 = most_halves(most23, load_bytes(g + 2));
  }
  to[0] = most_halves(most01, least01), to[1] = most_halves(most23, least23);
}

/* as the reference kernel: of each output the largest mantissa first, then its factor */
KERNEL ONE_COPY void k_exponent_layer(int32_t *restrict out, const void *g, const int16_t *r,
                                      const int32_t *gain, const int32_t *e, int R, int O,
                                      int bytes) {
  int32_t top = 0;
  int fours = O & ~3;
  if (bytes == 2)
    for (int o = 0; o < fours; o += 4) {
      uint32_t two[2];
      largest_of_four(two, (const int16_t *)g + o, R, O);
      for (int k = 0; k < 4; k++)
        top = most(top, (int32_t)(two[k / 2] >> 16 * (k % 2) & 0xFFFFu) * r[o + k]);
    }
  else
    for (int o = 0; o < fours; o += 4) {
      const int8_t *at = (const int8_t *)g + o;
      uint32_t a = 0;
      for (int k = 0; k < R; k++, at += O) a = most_bytes(a, load_bytes(at));
      for (int k = 0; k < 4; k++) top = most(top, (int32_t)(a >> 8 * k & 0xFFu) * r[o + k]);
    }
  for (int o = fours; o < O; o++) {
    int32_t largest = 0;
    for (int k = 0; k < R; k++) largest = larger(largest, mantissa(g, k * O + o, bytes));
    top = larger(top, largest * r[o]);
  }
  *out = *e + r[O] - 15 + bits_in_all(top, *gain);
}
