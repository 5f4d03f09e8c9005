/* Two int16 or four int8 in a word: magnitudes, and the largest of these so far. */
#ifndef TRAINLET_HALVES_H
#define TRAINLET_HALVES_H
#include "bfp.h"
#include "dsp.h"
#include <stdint.h>
#ifdef HAS_DSP
#define MOST_LANES(name, subtract)                                                          \
  static inline uint32_t name(uint32_t top, uint32_t a) {                                   \
    uint32_t size;                                                                          \
    __asm__(subtract " %2, %3, %1\n\tsel %2, %2, %1\n\t" subtract " %1, %2, %0\n\t"          \
            "sel %0, %2, %0"                                                                \
            : "+r"(top), "+r"(a), "=&r"(size)                                               \
            : "r"(0));                                                                      \
    return top;                                                                             \
  }
#define MAGNITUDE_LANES(name, subtract)                                                     \
  static inline uint32_t name(uint32_t a) {                                                 \
    uint32_t y;                                                                             \
    __asm__(subtract " %0, %2, %1\n\tsel %0, %0, %1" : "=&r"(y) : "r"(a), "r"(0));          \
    return y;                                                                               \
  }
MOST_LANES(most_halves, "ssub16")
/* of each half the largest and the smallest so far, with those of two more words */
static inline void stretch_halves(uint32_t *most, uint32_t *least, uint32_t a, uint32_t b) {
  uint32_t larger;
  __asm__("ssub16 %4, %2, %3\n\tsel %4, %2, %3\n\tsel %3, %3, %2\n\t"
          "ssub16 %2, %4, %0\n\tsel %0, %4, %0\n\tssub16 %2, %3, %1\n\tsel %1, %1, %3"
          : "+r"(*most), "+r"(*least), "+r"(a), "+r"(b), "=&r"(larger));
}
MOST_LANES(most_bytes, "ssub8")
MAGNITUDE_LANES(magnitude_bytes, "ssub8")
#else
static inline uint32_t lanes(uint32_t a, uint32_t b, int bits, int magnitudes) {
  uint32_t y = 0;
  for (int k = 0; k < 32; k += bits) {
    int32_t p = (int32_t)(a << (32 - bits - k)) >> (32 - bits);
    int32_t q = magnitudes ? -p : (int32_t)(b << (32 - bits - k)) >> (32 - bits);
    y |= ((uint32_t)(p > q ? p : q) & ((1u << bits) - 1u)) << k;
  }
  return y;
}
static inline uint32_t most_halves(uint32_t top, uint32_t a) {
  return lanes(lanes(a, 0, 16, 1), top, 16, 0);
}
static inline void stretch_halves(uint32_t *most, uint32_t *least, uint32_t a, uint32_t b) {
  uint32_t larger = lanes(a, b, 16, 0), smaller = a ^ b ^ larger;
  *most = lanes(larger, *most, 16, 0);
  *least = smaller ^ *least ^ lanes(smaller, *least, 16, 0);
}
static inline uint32_t most_bytes(uint32_t top, uint32_t a) {
  return lanes(lanes(a, 0, 8, 1), top, 8, 0);
}
static inline uint32_t magnitude_bytes(uint32_t a) { return lanes(a, 0, 8, 1); }
#endif
#endif
