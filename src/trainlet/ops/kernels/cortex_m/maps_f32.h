/* Two maps meet element by element: eight columns at a time in the registers of the FPU. */
#ifndef TRAINLET_MAPS_F32_H
#define TRAINLET_MAPS_F32_H
#include "dsp.h"
#include "vmla.h"

/* rows by columns of y, p and q; columns lie side by side, steps from row to row are in elements */
typedef struct {
  float *y;
  const float *p, *q;
  int rows, columns, y_row, p_row, q_row;
} Maps;

#ifdef HAS_VMLA
#define EIGHT_MEET(op)                                                                      \
  op " s0, s0, s8\n\t" op " s1, s1, s9\n\t" op " s2, s2, s10\n\t" op " s3, s3, s11\n\t"     \
  op " s4, s4, s12\n\t" op " s5, s5, s13\n\t" op " s6, s6, s14\n\t" op " s7, s7, s15\n\t"
#define EIGHT_COLUMNS(meet)                                                                 \
  if (rows > 0)                                                                             \
    __asm__ volatile(                                                                       \
        "1:\t" LOAD_STEP("p", "s0-s7", "p_row") LOAD_STEP("q", "s8-s15", "q_row") meet      \
        "vstmia %[y], {s0-s7}\n\t" ADVANCE("y", "y_row") "subs %[rows], #1\n\tbne 1b"       \
        : [y] "+&r"(y), [p] "+&r"(p), [q] "+&r"(q), [rows] "+&r"(rows)                      \
        : [y_row] "r"(y_row), [p_row] "r"(p_row), [q_row] "r"(q_row)                        \
        : LOW_SINGLES, "cc", "memory")
/* a single row is eight columns of many */
#define COLUMNS_DONE(meet)                                                                  \
  int all = m->columns & -8, wide = 8, y_row = m->y_row, p_row = m->p_row, q_row = m->q_row; \
  if (m->rows == 1) wide = all, y_row = p_row = q_row = 8;                                  \
  HIDE(wide); /* else gcc makes two loops */                                                \
  for (; c < all; c += wide) {                                                              \
    float *y = m->y + c;                                                                    \
    const float *p = m->p + c, *q = m->q + c;                                               \
    int rows = wide > 8 ? wide >> 3 : m->rows;                                              \
    EIGHT_COLUMNS(meet);                                                                    \
  }
#else
#define COLUMNS_DONE(meet)
#endif

/* a function of maps: `meet` is y = `plain` of p and q, eight times */
#define MEET_MAPS(name, meet, plain)                                                        \
  static ONE_COPY void name(const Maps *m) {                                                \
    int c = 0;                                                                              \
    COLUMNS_DONE(meet)                                                                      \
    for (; c < m->columns; c++) {                                                           \
      float *to = m->y + c;                                                                 \
      const float *left = m->p + c, *right = m->q + c;                                      \
      for (int n = m->rows; n > 0; n--, to += m->y_row, left += m->p_row, right += m->q_row) \
        *to = plain;                                                                        \
    }                                                                                       \
  }
/* two maps of one shape, or a map and a vector of its last dimension; else the reference's loop */
#define MEET_BROADCAST(name, otherwise)                                                     \
  if (d0 * d1 == 1 && i3 == 1 && j3 == 1) {                                                 \
    Maps m = {y, p, q, d2, d3, d3, i2, j2};                                                 \
    name(&m);                                                                               \
  } else {                                                                                  \
    BROADCAST_LOOP_TWO(otherwise)                                                           \
  }
#endif
