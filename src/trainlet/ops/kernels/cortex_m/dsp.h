/* The DSP instructions of ARMv7E-M that the kernels of this folder need, and what they compute in
 * plain C, so that the same kernels run, and are sanitised, on any machine.  Assembly, since gcc
 * does not fold a rotation into SXTB16. */
#ifndef TRAINLET_DSP_H
#define TRAINLET_DSP_H
#include <stdint.h>
#include "one_copy.h"
#if defined(__ARM_FEATURE_DSP) && defined(__OPTIMIZE__)
#define HAS_DSP /* without optimization the assembly does not get its registers */
#endif
#define HIDE(x) __asm__("" : "+r"(x)) /* so that no sums with x are carried through a loop */
#define INLINED static inline __attribute__((always_inline))
#ifdef __clang__
#define IN_ORDER __asm__ volatile /* else it moves loads ahead until the registers run out */
#else
#define IN_ORDER __asm__
#endif

/* four bytes from anywhere, with no promise of alignment */
static inline uint32_t load_bytes(const void *p) {
  uint32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return word;
}
static inline void store_bytes(void *p, uint32_t word) { __builtin_memcpy(p, &word, sizeof word); }

/* the first n of four bytes, zeros behind */
static inline uint32_t load_some(const int8_t *p, int n) {
  uint32_t word = 0;
  for (int k = 0; k < n; k++) word |= (uint32_t)(uint8_t)p[k] << 8 * k;
  return word;
}

/* n bytes; returns what follows them */
static ONE_COPY int8_t *copy_bytes(int8_t *to, const int8_t *from, int n) {
  int whole = n >= 4;
  for (; n > 4; n -= 4, from += 4, to += 4) store_bytes(to, load_bytes(from));
  if (whole) { /* the last word overlaps the one before */
    store_bytes(to + n - 4, load_bytes(from + n - 4));
    return to + n;
  }
  for (; n > 0; n--) *to++ = *from++;
  return to;
}

#ifdef HAS_DSP
#define DSP_ONE(name, text)                                                                 \
  static inline uint32_t name(uint32_t a) {                                                 \
    uint32_t y;                                                                             \
    __asm__(text : "=r"(y) : "r"(a));                                                       \
    return y;                                                                               \
  }
#define DSP_TWO(name, text)                                                                 \
  static inline uint32_t name(uint32_t a, uint32_t b) {                                     \
    uint32_t y;                                                                             \
    __asm__(text : "=r"(y) : "r"(a), "r"(b));                                               \
    return y;                                                                               \
  }
#define DSP_SUM(name, text)                                                                 \
  static inline int32_t name(uint32_t a, uint32_t b, int32_t sum) {                         \
    IN_ORDER(text : "+r"(sum) : "r"(a), "r"(b));                                             \
    return sum;                                                                             \
  }
/* two words in one load: from p on, which moves past them */
#define LOAD_PAIR(a, b, p)                                                                  \
  IN_ORDER("ldrd %0, %1, [%2], #8" : "=&r"(a), "=&r"(b), "+r"(p) : : "memory")
/* four bytes from anywhere: from p on, which moves past them */
#define LOAD_WORD(a, p) IN_ORDER("ldr %0, [%1], #4" : "=&r"(a), "+r"(p) : : "memory")
/* two words in one store: to p, which moves past them */
#define STORE_PAIR(p, a, b)                                                                 \
  __asm__ volatile("strd %1, %2, [%0], #8" : "+r"(p) : "r"(a), "r"(b) : "memory")
/* four words in one store, which wants ascending registers */
#define STORE_FOUR(p, a, b, c, d)                                                           \
  do {                                                                                      \
    register uint32_t word0 __asm__("r3") = (a), word1 __asm__("r4") = (b);                 \
    register uint32_t word2 __asm__("r5") = (c), word3 __asm__("r6") = (d);                 \
    __asm__ volatile("stm %0!, {r3, r4, r5, r6}"                                            \
                     : "+r"(p) : "r"(word0), "r"(word1), "r"(word2), "r"(word3) : "memory"); \
  } while (0)
static inline int32_t ssat8(int32_t x) {
  int32_t y;
  __asm__("ssat %0, #8, %1" : "=r"(y) : "r"(x) : "cc");
  return y;
}
/* each byte of `kept` where the bytes of (a + b) % 256 + c are below 256, else zero */
static inline uint32_t if_no_carry(uint32_t a, uint32_t b, uint32_t c, uint32_t kept) {
  uint32_t y;
  __asm__("uadd8 %0, %1, %2\n\tuadd8 %0, %0, %3\n\tsel %0, %5, %4"
          : "=&r"(y) : "r"(a), "r"(b), "r"(c), "r"(kept), "r"(0));
  return y;
}
/* the sum of four bytes, which fits one */
static inline uint32_t sum_of_four(uint32_t a) {
  uint32_t y;
  __asm__("usad8 %0, %1, %2" : "=r"(y) : "r"(a), "r"(0));
  return y;
}
/* (a * b + plus * 2^32) / 2^32, rounded */
static inline int32_t smmlar(int32_t a, int32_t b, int32_t plus) {
  int32_t y;
  __asm__ volatile("smmlar %0, %1, %2, %3" : "=r"(y) : "r"(a), "r"(b), "r"(plus));
  return y;
}
/* an integer of a loop that needs all other registers for its body */
#ifdef __ARM_FP
typedef float SpillSlot;
#define PUT_ASIDE(place, n) __asm__("vmov %0, %1" : "=t"(place) : "r"(n))
#define TAKE_BACK(n, place) __asm__ volatile("vmov %0, %1" : "=r"(n) : "t"(place))
#endif
#else
#ifdef __clang__ /* LLVM 22's SLP vectorizer gives wrong bits of these with AVX2: keep them apart */
#define APART(x) HIDE(x)
#else
#define APART(x) (void)0
#endif
#define DSP_ONE(name, text)                                                                 \
  static inline uint32_t name(uint32_t a) {                                                 \
    uint32_t y = name##_plain(a);                                                           \
    APART(y);                                                                               \
    return y;                                                                               \
  }
#define DSP_TWO(name, text)                                                                 \
  static inline uint32_t name(uint32_t a, uint32_t b) {                                     \
    uint32_t y = name##_plain(a, b);                                                        \
    APART(y);                                                                               \
    return y;                                                                               \
  }
#define DSP_SUM(name, text)                                                                 \
  static inline int32_t name(uint32_t a, uint32_t b, int32_t sum) {                         \
    return (int32_t)((uint32_t)name##_plain(a, b) + (uint32_t)sum);                         \
  }
#define LOAD_PAIR(a, b, p) (a = (p)[0], b = (p)[1], p += 2)
#define LOAD_WORD(a, p) (a = load_bytes(p), p += 4)
#define STORE_PAIR(p, a, b) ((p)[0] = (a), (p)[1] = (b), (p) += 2)
#define STORE_FOUR(p, a, b, c, d)                                                           \
  ((p)[0] = (a), (p)[1] = (b), (p)[2] = (c), (p)[3] = (d), (p) += 4)
static inline int32_t low_half(uint32_t a) { return (int16_t)(a & 0xFFFFu); }
static inline int32_t high_half(uint32_t a) { return (int16_t)(a >> 16); }
static inline uint32_t halves(int32_t low, int32_t high) {
  return ((uint32_t)low & 0xFFFFu) | (uint32_t)high << 16;
}
static inline uint32_t sxtb16_plain(uint32_t a) {
  return halves((int8_t)(a & 0xFFu), (int8_t)(a >> 16 & 0xFFu));
}
static inline uint32_t sxtb16_ror8_plain(uint32_t a) { return sxtb16_plain(a >> 8); }
static inline uint32_t ssub16_plain(uint32_t a, uint32_t b) {
  return halves(low_half(a) - low_half(b), high_half(a) - high_half(b));
}
static inline uint32_t sadd16_plain(uint32_t a, uint32_t b) {
  return halves(low_half(a) + low_half(b), high_half(a) + high_half(b));
}
static inline uint32_t pkhbt_plain(uint32_t a, uint32_t b) { return (a & 0xFFFFu) | b << 16; }
static inline uint32_t pkhtb_plain(uint32_t a, uint32_t b) { return (a & 0xFFFF0000u) | b >> 16; }
static inline uint32_t qadd_plain(uint32_t a, uint32_t b) {
  int64_t sum = (int64_t)(int32_t)a + (int32_t)b;
  return (uint32_t)(sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum);
}
static inline uint32_t unless_negative_plain(uint32_t a, uint32_t b) { return b >> 31 ? 0 : a; }
static inline int32_t smlad_plain(uint32_t a, uint32_t b) {
  return (int32_t)((uint32_t)(low_half(a) * low_half(b)) +
                   (uint32_t)(high_half(a) * high_half(b)));
}
static inline int32_t smlabb_plain(uint32_t a, uint32_t b) { return low_half(a) * low_half(b); }
static inline int32_t smlatt_plain(uint32_t a, uint32_t b) { return high_half(a) * high_half(b); }
static inline uint32_t if_no_carry(uint32_t a, uint32_t b, uint32_t c, uint32_t kept) {
  uint32_t y = 0;
  for (int k = 0; k < 32; k += 8)
    if ((((a >> k) + (b >> k)) & 0xFFu) + (c >> k & 0xFFu) < 256) y |= kept & 0xFFu << k;
  return y;
}
static inline uint32_t sum_of_four(uint32_t a) { return a * 0x01010101u >> 24; }
static inline int32_t ssat8(int32_t x) { return x < -128 ? -128 : x > 127 ? 127 : x; }
static inline int32_t smmlar(int32_t a, int32_t b, int32_t plus) {
  return (int32_t)((uint32_t)(((int64_t)a * b + ((int64_t)1 << 31)) >> 32) + (uint32_t)plus);
}
#endif

#ifndef PUT_ASIDE
typedef intptr_t SpillSlot;
#define PUT_ASIDE(place, n) (place = (n))
#define TAKE_BACK(n, place) (n = (place))
#endif

DSP_ONE(sxtb16, "sxtb16 %0, %1")                /* bytes 0 and 2 as two int16 */
DSP_ONE(sxtb16_ror8, "sxtb16 %0, %1, ror #8")   /* bytes 1 and 3 */
DSP_TWO(ssub16, "ssub16 %0, %1, %2")            /* two differences */
DSP_TWO(sadd16, "sadd16 %0, %1, %2")            /* two sums */
DSP_TWO(qadd, "qadd %0, %1, %2")                /* the sum of two int32, saturated */
DSP_TWO(unless_negative, "bic %0, %1, %2, asr #31") /* a, 0 where b is a negative int32 */
DSP_TWO(pkhbt, "pkhbt %0, %1, %2, lsl #16")     /* the low halves of a and b, a's below */
DSP_TWO(pkhtb, "pkhtb %0, %1, %2, asr #16")     /* the high halves of b and a, b's below */
DSP_SUM(smlad, "smlad %0, %1, %2, %0")          /* sum + two products */
DSP_SUM(smlabb, "smlabb %0, %1, %2, %0")        /* sum + the product of the low halves */
DSP_SUM(smlatt, "smlatt %0, %1, %2, %0")        /* sum + the product of the high halves */

/* bytes 0 to 3 of two words as four pairs */
INLINED void pair_bytes(uint32_t pair[4], uint32_t first, uint32_t second) {
  uint32_t low = pkhbt(first, second), high = pkhtb(second, first);
  pair[0] = sxtb16(low), pair[1] = sxtb16_ror8(low);
  pair[2] = sxtb16(high), pair[3] = sxtb16_ror8(high);
}
INLINED uint32_t *put_pairs(uint32_t *to, const uint32_t pair[4]) {
  STORE_FOUR(to, pair[0], pair[1], pair[2], pair[3]);
  return to;
}
/* weights of two columns and four channels, beside those of the next window */
INLINED void put_taps(uint32_t *to, uint32_t first, uint32_t second) {
  uint32_t pair[4];
  pair_bytes(pair, first, second);
  to[0] = pair[0], to[1] = pair[1], to[4] = pair[2], to[5] = pair[3];
}
#endif
