#include "dsp.h"
#include "kernel.h"
#include "relu6.h"
#include "vmla.h"
#include "zeros_f32.h"
#define ABOVE_SIX (0x7FFFFFFFu - 0x40C00000u)

/* how many of x[size], all eights or none: those of which a sum of products is a number, and which
 * therefore are numbers */
static ONE_COPY int sure_numbers(const float *x, int size) {
#ifdef HAS_VMLA
  const float *from = ZEROS;
  int all = size & -8, left = all;
  uint32_t sum;
  if (all <= 0) return 0;
  __asm__ volatile("vldmia %[from], {s0-s3}\n\tmov %[from], %[x]\n"
                   "1:\t" LOAD("from", "s8-s15")
                   VMLA(0, 8, 9) VMLA(1, 10, 11) VMLA(2, 12, 13) VMLA(3, 14, 15)
                   "subs %[left], #8\n\tbne 1b\n\t"
                   "vadd.f32 s0, s0, s1\n\tvadd.f32 s2, s2, s3\n\tvadd.f32 s0, s0, s2\n\t"
                   "vmov %[sum], s0"
                   : [from] "+&r"(from), [left] "+&r"(left), [sum] "=r"(sum)
                   : [x] "r"(x)
                   : LOW_SINGLES, "cc", "memory");
  return sum << 1 > 0xFF000000u ? 0 : all;
#else
  int all = size & -8;
  for (int k = 0; k < all; k++)
    if (x[k] != x[k]) return 0;
  return all;
#endif
}

/* the integers of numbers that are not negative have their order; -0 stays */
static inline uint32_t clipped(uint32_t bits) {
  return qadd(unless_negative(bits, bits - 1), ABOVE_SIX) - ABOVE_SIX;
}

static ONE_COPY void clip_pairs(uint32_t *to, const uint32_t *from, int size) {
  for (const uint32_t *end = from + size; from != end;) {
    uint32_t a, b;
    LOAD_PAIR(a, b, from);
    STORE_PAIR(to, clipped(a), clipped(b));
    LOAD_PAIR(a, b, from);
    STORE_PAIR(to, clipped(a), clipped(b));
  }
}

/* as the reference kernel, as integers where all are numbers */
KERNEL void k_relu6(float *y, const float *x, int size) {
  int k = sure_numbers(x, size);
  clip_pairs((uint32_t *)(void *)y, (const uint32_t *)(const void *)x, k);
  for (; k < size; k++) y[k] = relu6_f32(x[k]);
}
