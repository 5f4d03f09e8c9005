/* Sums of a channel's own products, eight channels at a time in the registers of the FPU, each in
 * the order of the plain loop. */
#ifndef TRAINLET_LANES_F32_H
#define TRAINLET_LANES_F32_H
#include "dsp.h"
#include "vmla.h"
#include "zeros_f32.h"
#include <stdint.h>

/* sums[channels] = start[channels], or 0, + rows times columns products of a[.., channels], scaled
 * first if scale is there, and b[.., channels], of one or four bytes; steps are in elements, from
 * row to row and from column to column */
typedef struct {
  float *sums;
  const float *start, *a, *scale;
  const void *b;
  int bytes, channels, rows, columns, a_row, a_column, b_row, b_column;
} Lanes;

#ifdef HAS_VMLA
#define EIGHT_MEET                                                                          \
  VMLA(0, 8, 16) VMLA(1, 9, 17) VMLA(2, 10, 18) VMLA(3, 11, 19)                             \
  VMLA(4, 12, 20) VMLA(5, 13, 21) VMLA(6, 14, 22) VMLA(7, 15, 23)
#define EIGHT_SCALED                                                                        \
  SCALED(8, 24) SCALED(9, 25) SCALED(10, 26) SCALED(11, 27)                                 \
  SCALED(12, 28) SCALED(13, 29) SCALED(14, 30) SCALED(15, 31)
#define SCALED(a, scale) "vmul.f32 s" #a ", s" #a ", s" #scale "\n\t"
/* eight channels, c and on; `first` loads what stays, `then` follows each load of a */
#define SUM_EIGHT(name, first, then)                                                        \
  INLINED void name(const Lanes *l, int c) {                                                \
    float *to = l->sums + c;                                                                \
    const float *from = l->start ? l->start + c : ZEROS, *a = l->a + c;                     \
    const float *b = (const float *)l->b + c, *scale = l->scale ? l->scale + c : ZEROS;     \
    int rows = l->rows, columns = l->columns, a_column = l->a_column, b_column = l->b_column; \
    int a_row = l->a_row - columns * a_column, b_row = l->b_row - columns * b_column;       \
    __asm__ volatile(                                                                       \
        "vldmia %[n], {s0-s7}\n\t" first                                                    \
        "1:\tmov %[n], %[columns]\n"                                                        \
        "2:\t" LOAD_STEP("a", "s8-s15", "a_column") then                                    \
        LOAD_STEP("b", "s16-s23", "b_column") EIGHT_MEET                                    \
        "subs %[n], #1\n\tbne 2b\n\t"                                                      \
        "ldr %[n], %[a_row]\n\t" ADVANCE("a", "n")                                          \
        "ldr %[n], %[b_row]\n\t" ADVANCE("b", "n")                                          \
        "subs %[rows], #1\n\tbne 1b\n\t"                                                   \
        "ldr %[a], %[to]\n\tvstmia %[a], {s0-s7}"                                           \
        : [a] "+&r"(a), [b] "+&r"(b), [rows] "+&r"(rows), [n] "+&r"(from)                   \
        : [columns] "r"(columns), [a_column] "r"(a_column), [b_column] "r"(b_column),       \
          [a_row] "m"(a_row), [b_row] "m"(b_row), [to] "m"(to), [scale] "m"(scale)          \
        : SINGLES, "cc", "memory");                                                         \
  }
SUM_EIGHT(sum_eight, , )
SUM_EIGHT(sum_eight_scaled, "ldr %[n], %[scale]\n\tvldmia %[n], {s24-s31}\n", EIGHT_SCALED)
#endif

/* not inlined: gcc 12 would make VCVT conditional, which its assembler mistakes for Helium's VCVTN */
static ONE_COPY float float_of(const int8_t *byte) { return (float)*byte; }

static inline float factor(const Lanes *l, int at) {
  return l->bytes == 4 ? ((const float *)l->b)[at] : float_of((const int8_t *)l->b + at);
}

static ONE_COPY void sum_lanes(const Lanes *l) {
  int c = 0;
#ifdef HAS_VMLA
  /* the last eight overlap those before, unless these were moved on already */
  int all = l->sums == l->start ? l->channels & -8 : l->channels;
  if (l->bytes == 4 && all >= 8 && l->rows > 0 && l->columns > 0)
    for (; c < all; c += 8) {
      int first = c + 8 <= all ? c : all - 8;
      if (l->scale) sum_eight_scaled(l, first);
      else sum_eight(l, first);
    }
#endif
  for (; c < l->channels; c++) {
    float s = l->start ? l->start[c] : 0.0f;
    for (int row = 0; row < l->rows; row++)
      for (int k = 0; k < l->columns; k++) {
        float a = l->a[row * l->a_row + k * l->a_column + c];
        s += (l->scale ? a * l->scale[c] : a) * factor(l, row * l->b_row + k * l->b_column + c);
      }
    l->sums[c] = s;
  }
}
#endif
