/* Sums of a channel's own products, eight channels at a time in the registers of the FPU, each in
 * the order of the plain loop. */
#ifndef TRAINLET_LANES_F32_H
#define TRAINLET_LANES_F32_H
#include "dsp.h"
#include "vmla.h"
#include "zeros_f32.h"

/* sums[channels] = start[channels], or 0, + rows times columns products of a[.., channels] and
 * b[.., channels]; steps are in elements, from row to row and from column to column */
typedef struct {
  float *sums;
  const float *start, *a, *b;
  int channels, rows, columns, a_row, a_column, b_row, b_column;
} Lanes;

#ifdef HAS_VMLA
/* from channel c on */
INLINED void sum_eight(const Lanes *l, int c) {
  float *to = l->sums + c;
  const float *from = l->start ? l->start + c : ZEROS, *a = l->a + c, *b = l->b + c;
  int rows = l->rows, columns = l->columns, a_column = l->a_column, b_column = l->b_column;
  int a_row = l->a_row - columns * a_column, b_row = l->b_row - columns * b_column;
  __asm__ volatile("vldmia %[n], {s0-s7}\n"
                   "1:\tmov %[n], %[columns]\n"
                   "2:\t" LOAD_STEP("a", "s8-s15", "a_column")
                   LOAD_STEP("b", "s16-s23", "b_column")
                   VMLA(0, 8, 16) VMLA(1, 9, 17) VMLA(2, 10, 18) VMLA(3, 11, 19)
                   VMLA(4, 12, 20) VMLA(5, 13, 21) VMLA(6, 14, 22) VMLA(7, 15, 23)
                   "subs %[n], #1\n\tbne 2b\n\t"
                   "ldr %[n], %[a_row]\n\t" ADVANCE("a", "n")
                   "ldr %[n], %[b_row]\n\t" ADVANCE("b", "n")
                   "subs %[rows], #1\n\tbne 1b\n\t"
                   "ldr %[a], %[to]\n\tvstmia %[a], {s0-s7}"
                   : [a] "+&r"(a), [b] "+&r"(b), [rows] "+&r"(rows), [n] "+&r"(from)
                   : [columns] "r"(columns), [a_column] "r"(a_column), [b_column] "r"(b_column),
                     [a_row] "m"(a_row), [b_row] "m"(b_row), [to] "m"(to)
                   : SINGLES, "cc", "memory");
}
#endif

static ONE_COPY void sum_lanes(const Lanes *l) {
  int c = 0;
#ifdef HAS_VMLA
  /* the last eight overlap those before, unless these were moved on already */
  int all = l->sums == l->start ? l->channels & -8 : l->channels;
  if (all >= 8 && l->rows > 0 && l->columns > 0)
    for (; c < all; c += 8) sum_eight(l, c + 8 <= all ? c : all - 8);
#endif
  for (; c < l->channels; c++) {
    float s = l->start ? l->start[c] : 0.0f;
    for (int row = 0; row < l->rows; row++) {
      const float *a = l->a + row * l->a_row + c, *b = l->b + row * l->b_row + c;
      for (int k = l->columns; k > 0; k--, a += l->a_column, b += l->b_column) s += *a * *b;
    }
    l->sums[c] = s;
  }
}
#endif
