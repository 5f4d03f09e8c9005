/* Comparisons of float32 numbers as integers: no flags of the FPU have to be fetched. */
#ifndef TRAINLET_INSIDE_F32_H
#define TRAINLET_INSIDE_F32_H
#include "dsp.h"

/* mask, a bit further down, and above it whether the number of these bits lies between 0 and the
 * bits last + 2: less one, those of zeros and of negative numbers are above all positive ones */
#ifdef HAS_DSP
static inline uint32_t add_inside(uint32_t mask, uint32_t bits, uint32_t last) {
  IN_ORDER("subs %1, %1, #1\n\tcmp %2, %1\n\trrx %0, %0"
           : "+r"(mask), "+r"(bits) : "r"(last) : "cc");
  return mask;
}
#else
static inline uint32_t add_inside(uint32_t mask, uint32_t bits, uint32_t last) {
  return mask >> 1 | (uint32_t)(bits - 1 <= last) << 31;
}
#endif

/* bit k tells whether number k lies inside */
static ONE_COPY void mask_inside(uint8_t *mask, const float *y, int size, uint32_t last) {
  const uint32_t *from = (const uint32_t *)(const void *)y;
  for (; size >= 8; size -= 8) {
    uint32_t bits = 0, a, b;
    for (int pair = 0; pair < 4; pair++) {
      LOAD_PAIR(a, b, from);
      bits = add_inside(add_inside(bits, a, last), b, last);
    }
    *mask++ = (uint8_t)(bits >> 24);
  }
  if (size > 0) {
    uint32_t bits = 0;
    for (int k = 0; k < size; k++) bits = add_inside(bits, from[k], last);
    *mask = (uint8_t)(bits >> (32 - size));
  }
}
#endif
