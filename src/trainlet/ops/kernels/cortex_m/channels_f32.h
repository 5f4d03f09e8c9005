/* Sums of a channel's own products, eight or four channels at a time in the registers of the FPU,
 * each in the order of the plain loop. */
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
#define FOUR_CHANNELS VMLA(0, 8, 16) VMLA(1, 9, 17) VMLA(2, 10, 18) VMLA(3, 11, 19)
#define EIGHT_CHANNELS                                                                      \
  FOUR_CHANNELS VMLA(4, 12, 20) VMLA(5, 13, 21) VMLA(6, 14, 22) VMLA(7, 15, 23)
#define SCALED(a, scale) "vmul.f32 s" #a ", s" #a ", s" #scale "\n\t"
#define FOUR_SCALED SCALED(8, 24) SCALED(9, 25) SCALED(10, 26) SCALED(11, 27)
#define EIGHT_SCALED                                                                        \
  FOUR_SCALED SCALED(12, 28) SCALED(13, 29) SCALED(14, 30) SCALED(15, 31)
#define LOAD_SCALE(last) "ldr %[n], %[scale]\n\tvldmia %[n], {s24-" last "}\n"
/* of channels c and on; registers up to these hold sums, a and b; `first` loads what is kept,
 * `then` follows each load of a */
#define SUM_LANES(name, sums_to, a_to, b_to, kept, first, then, meet)                       \
  INLINED void name(const Sums *p, int c) {                                                 \
    float *to = p->sums + c;                                                                \
    const float *from = p->start ? p->start + c : ZEROS, *a = p->a + c, *scale = kept;      \
    const float *b = (const float *)p->b + c;                                               \
    int rows = p->rows, columns = p->columns, a_column = p->a_column, b_column = p->b_column; \
    int a_row = p->a_row - columns * a_column, b_row = p->b_row - columns * b_column;       \
    __asm__ volatile(                                                                       \
        "vldmia %[n], {s0-" sums_to "}\n\t" first                                           \
        "1:\tmov %[n], %[columns]\n"                                                        \
        "2:\t" LOAD_STEP("a", "s8-" a_to, "a_column") then                                  \
        LOAD_STEP("b", "s16-" b_to, "b_column") meet                                        \
        "subs %[n], #1\n\tbne 2b\n\t"                                                       \
        "ldr %[n], %[a_row]\n\t" ADVANCE("a", "n")                                          \
        "ldr %[n], %[b_row]\n\t" ADVANCE("b", "n")                                          \
        "subs %[rows], #1\n\tbne 1b\n\t"                                                    \
        "ldr %[a], %[to]\n\tvstmia %[a], {s0-" sums_to "}"                                  \
        : [a] "+&r"(a), [b] "+&r"(b), [rows] "+&r"(rows), [n] "+&r"(from)                   \
        : [columns] "r"(columns), [a_column] "r"(a_column), [b_column] "r"(b_column),       \
          [a_row] "m"(a_row), [b_row] "m"(b_row), [to] "m"(to), [scale] "m"(scale)          \
        : SINGLES, "cc", "memory");                                                         \
  }
SUM_LANES(eight_float_sums, "s7", "s15", "s23", 0, , , EIGHT_CHANNELS)
SUM_LANES(four_float_sums, "s3", "s11", "s19", 0, , , FOUR_CHANNELS)
SUM_LANES(scaled_eight, "s7", "s15", "s23", p->scale + c, LOAD_SCALE("s31"), EIGHT_SCALED,
          EIGHT_CHANNELS)
SUM_LANES(scaled_four, "s3", "s11", "s19", p->scale + c, LOAD_SCALE("s27"), FOUR_SCALED,
          FOUR_CHANNELS)

/* the last four overlap those before, unless these were moved on already; how many are done */
static ONE_COPY int sum_in_registers(const Sums *p) {
  int c = 0, all = p->channels, rest;
  if (p->bytes < 4 || all < 4 || p->rows <= 0 || p->columns <= 0) return 0;
  if (p->sums == p->start) all &= -4;
  rest = all - 4;
  if (p->scale) {
    for (; c + 8 <= all; c += 8) scaled_eight(p, c);
    for (; c < all; c += 4) scaled_four(p, c < rest ? c : rest);
  } else {
    for (; c + 8 <= all; c += 8) eight_float_sums(p, c);
    for (; c < all; c += 4) four_float_sums(p, c < rest ? c : rest);
  }
  return all;
}
#else
static inline int sum_in_registers(const Sums *p) { return (void)p, 0; }
#endif

/* not inlined: gcc 12 may make VCVT conditional, which its assembler takes for Helium's VCVTN */
static ONE_COPY float less(const int8_t *byte, int zero) { return (float)(*byte - zero); }

static ONE_COPY void sum_channels(const Sums *p) {
  int rows = p->rows, columns = p->columns, a_column = p->a_column, b_column = p->b_column;
  for (int c = sum_in_registers(p); c < p->channels; c++) {
    float s = p->start ? p->start[c] : 0.0f;
    for (int row = 0; row < rows; row++) {
      const float *a = p->a + row * p->a_row + c, *b = (const float *)p->b + row * p->b_row + c;
      const int8_t *byte = (const int8_t *)p->b + row * p->b_row + c;
      if (p->bytes == 4 && !p->scale)
        for (int k = 0; k < columns; k++, a += a_column, b += b_column) s += *a * *b;
      else
        for (int k = 0; k < columns; k++, a += a_column, b += b_column, byte += b_column)
          s += (p->scale ? *a * p->scale[c] : *a) * (p->bytes == 4 ? *b : less(byte, p->zero));
    }
    p->sums[c] = s;
  }
}
#endif
