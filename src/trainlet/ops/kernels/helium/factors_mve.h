/* The factors m r of a layer's input gradient, rounded to 16 bits; sums that become mantissas. */
#ifndef TRAINLET_FACTORS_MVE_H
#define TRAINLET_FACTORS_MVE_H
#include "bfp.h"
#include "mve.h"
#include <stdint.h>

#define SCALE_FACTORS(load, step)                                                           \
  __asm__ volatile(                                                                         \
      "dlstp.32 lr, %[n]\n"                                                                  \
      "1:\t" load " q0, [%[from]], #" step "\n\t"                                           \
      "vldrh.s32 q1, [%[r]], #8\n\t"                                                        \
      "vmul.i32 q0, q0, q1\n\t"                                                             \
      "vrshl.s32 q0, %[shift]\n\t"                                                          \
      "vstrh.32 q0, [%[to]], #8\n\t"                                                        \
      "letp lr, 1b"                                                                         \
      : [to] "+l"(to), [from] "+l"(from), [r] "+l"(r)                                       \
      : [n] "r"(n), [shift] "r"(-before)                                                    \
      : "lr", "q0", "q1", "memory")

/* factors of n mantissas from g[at] on, n > 0 */
static ONE_COPY void scale_factors(int16_t *to, const void *g, int at, const int16_t *r, int n,
                                   int before, int bytes) {
  const int8_t *from = (const int8_t *)g + at * bytes;
  if (bytes == 2) SCALE_FACTORS("vldrh.s32", "8");
  else SCALE_FACTORS("vldrb.s32", "4");
}

/* eight factors of the mantissas from g[at] on */
INLINED int16x8_t eight_factors(const void *g, int at, int16x8_t r, int before, int bytes) {
  int16x8_t m = bytes == 2 ? vld1q_s16((const int16_t *)g + at)
                           : vldrbq_s16((const int8_t *)g + at);
  int32x4_t even = vrshlq_n_s32(vmullbq_int_s16(m, r), -before);
  int32x4_t odd = vrshlq_n_s32(vmulltq_int_s16(m, r), -before);
  return vmovntq_s32(vreinterpretq_s16_s32(even), odd);
}

/* four sums as mantissas, `places` in elements behind dx[at] */
INLINED void put_mantissas(void *dx, int at, uint32x4_t places, int32x4_t sum, int after,
                           int bytes) {
  sum = vrshlq_n_s32(sum, -after);
  if (bytes == 2) vstrhq_scatter_shifted_offset_s32((int16_t *)dx + at, places, sum);
  else vstrbq_scatter_offset_s32((int8_t *)dx + at, places, sum);
}
#endif
