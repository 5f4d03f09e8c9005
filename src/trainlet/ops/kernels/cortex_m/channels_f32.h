/* Sums of a channel's own products, eight channels at a time in the registers of the FPU, each in
 * the order of the plain loop. */
#ifndef TRAINLET_CHANNELS_F32_H
#define TRAINLET_CHANNELS_F32_H
#include "dsp.h"
#include "vmla.h"
#include "zeros_f32.h"
#include <stdint.h>

/* sums[channels] = start[channels], or 0, + rows times columns products of a[.., channels], scaled
 * first if scale is there, and b[.., channels], of four bytes, or of one, less zero; steps are in
 * elements, from row to row and from column to column */
typedef struct {
  float *sums;
  const float *start, *a, *scale;
  const void *b;
  int bytes, zero, channels, rows, columns, a_row, a_column, b_row, b_column;
} Sums;

#ifdef HAS_VMLA
#define EIGHT_MEET                                                                          \
  VMLA(0, 8, 16) VMLA(1, 9, 17) VMLA(2, 10, 18) VMLA(3, 11, 19)                             \
  VMLA(4, 12, 20) VMLA(5, 13, 21) VMLA(6, 14, 22) VMLA(7, 15, 23)
#define EIGHT_SCALED                                                                        \
  SCALED(8, 24) SCALED(9, 25) SCALED(10, 26) SCALED(11, 27)                                 \
  SCALED(12, 28) SCALED(13, 29) SCALED(14, 30) SCALED(15, 31)
#define SCALED(a, scale) "vmul.f32 s" #a ", s" #a ", s" #scale "\n\t"
/* eight channels, c and on; `kept` is what `first` loads, `then` follows each load of a */
#define SUM_EIGHT(name, kept, first, then)                                                  \
  INLINED void name(const Sums *p, int c) {                                                 \
    float *to = p->sums + c;                                                                \
    const float *from = p->start ? p->start + c : ZEROS, *a = p->a + c;                     \
    const float *b = (const float *)p->b + c, *scale = kept;                                \
    int rows = p->rows, columns = p->columns, a_column = p->a_column, b_column = p->b_column; \
    int a_row = p->a_row - columns * a_column, b_row = p->b_row - columns * b_column;       \
    __asm__ volatile(                                                                       \
        "vldmia %[n], {s0-s7}\n\t" first                                                    \
        "1:\tmov %[n], %[columns]\n"                                                        \
        "2:\t" LOAD_STEP("a", "s8-s15", "a_column") then                                    \
        LOAD_STEP("b", "s16-s23", "b_column") EIGHT_MEET                                    \
        "subs %[n], #1\n\tbne 2b\n\t"                                                       \
        "ldr %[n], %[a_row]\n\t" ADVANCE("a", "n")                                          \
        "ldr %[n], %[b_row]\n\t" ADVANCE("b", "n")                                          \
        "subs %[rows], #1\n\tbne 1b\n\t"                                                    \
        "ldr %[a], %[to]\n\tvstmia %[a], {s0-s7}"                                           \
        : [a] "+&r"(a), [b] "+&r"(b), [rows] "+&r"(rows), [n] "+&r"(from)                   \
        : [columns] "r"(columns), [a_column] "r"(a_column), [b_column] "r"(b_column),       \
          [a_row] "m"(a_row), [b_row] "m"(b_row), [to] "m"(to), [scale] "m"(scale)          \
        : SINGLES, "cc", "memory");                                                         \
  }
SUM_EIGHT(sum_eight, 0, , )
SUM_EIGHT(sum_eight_scaled, p->scale + c, "ldr %[n], %[scale]\n\tvldmia %[n], {s24-s31}\n", EIGHT_SCALED)
#endif

/* not inlined: gcc 12 may make VCVT conditional, which its assembler takes for Helium's VCVTN */
static ONE_COPY float less(const int8_t *byte, int zero) { return (float)(*byte - zero); }

static inline float factor(const Sums *p, int at) {
  return p->bytes == 4 ? ((const float *)p->b)[at] : less((const int8_t *)p->b + at, p->zero);
}

static ONE_COPY void sum_channels(const Sums *p) {
  int c = 0;
#ifdef HAS_VMLA
  /* the last eight overlap those before, unless these were moved on already */
  int all = p->sums == p->start ? p->channels & -8 : p->channels;
  if (p->bytes < 4 || all < 8 || p->rows <= 0 || p->columns <= 0) all = 0;
  if (p->scale)
    for (; c < all; c += 8) sum_eight_scaled(p, c + 8 <= all ? c : all - 8);
  else
    for (; c < all; c += 8) sum_eight(p, c + 8 <= all ? c : all - 8);
#endif
  for (; c < p->channels; c++) {
    float s = p->start ? p->start[c] : 0.0f;
    for (int row = 0; row < p->rows; row++)
      for (int k = 0; k < p->columns; k++) {
        float a = p->a[row * p->a_row + k * p->a_column + c];
        s += (p->scale ? a * p->scale[c] : a) * factor(p, row * p->b_row + k * p->b_column + c);
      }
    p->sums[c] = s;
  }
}
#endif
