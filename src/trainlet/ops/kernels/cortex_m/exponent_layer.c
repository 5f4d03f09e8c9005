#include "bfp.h"
#include "exponent_layer.h"
#include "halves.h"
#include "kernel.h"
static inline int32_t most(int32_t a, int32_t b) { return a > b ? a : b; }

/* as the reference kernel: of each output the largest mantissa first, then its factor */
KERNEL ONE_COPY void k_exponent_layer(int32_t *restrict out, const void *g, const int16_t *r,
                                      const int32_t *gain, const int32_t *e, int R, int O,
                                      int bytes) {
  int32_t top = 0;
  int fours = O & ~3;
  if (bytes == 2)
    for (int o = 0; o < fours; o += 4) {
      const int16_t *at = (const int16_t *)g + o;
      uint32_t a = 0, b = 0;
      for (int k = 0; k < R; k++, at += O) {
        a = most_halves(a, load_bytes(at));
        b = most_halves(b, load_bytes(at + 2));
      }
      top = most(top, (int32_t)(a & 0xFFFFu) * r[o]);
      top = most(top, (int32_t)(a >> 16) * r[o + 1]);
      top = most(top, (int32_t)(b & 0xFFFFu) * r[o + 2]);
      top = most(top, (int32_t)(b >> 16) * r[o + 3]);
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
