/* Sums of float32 products, 16 at a time: four rows of `a` meet four columns of `b`.  Each sum adds
 * its products in the order of the plain loop, product and sum rounded, and so has its bits. */
#ifndef TRAINLET_PRODUCTS_F32_H
#define TRAINLET_PRODUCTS_F32_H
#include "dsp.h"
#include "vmla.h"
#include "zeros_f32.h"

/* sums[rows, columns] = start[rows, columns] + n products; columns lie side by side, four at
 * most.  Steps, in elements: from row to row, column to column, product to product.  Products of a
 * are multiplied with scale[n] first where a name says scaled; zero is for those who read bytes. */
typedef struct {
  float *sums;
  const float *start, *a, *scale;
  const void *b;
  int rows, columns, n;
  int sums_row, start_row, a_row, a_next, b_column, b_next, zero;
} Products;
typedef void Meet(const Products *);

/* one sum of n products; a function, since gcc would make of the loops around it several */
static ONE_COPY float sum_one(float s, const float *a, int a_next, const float *b, int b_next,
                              int n) {
  for (; n > 0; n--, a += a_next, b += b_next) s += *a * *b;
  return s;
}

static ONE_COPY void sum_plainly(const Products *p, int row) {
  for (; row < p->rows; row++)
    for (int column = 0; column < p->columns; column++)
      p->sums[row * p->sums_row + column] = sum_one(
          p->start[row * p->start_row + column], p->a + row * p->a_row, p->a_next,
          (const float *)p->b + column * p->b_column, p->b_next, p->n);
}

static inline void sum_scaled_plainly(const Products *p, int row) {
  for (; row < p->rows; row++)
    for (int column = 0; column < p->columns; column++) {
      const float *a = p->a + row * p->a_row, *b = (const float *)p->b + column * p->b_column;
      float s = p->start[row * p->start_row + column];
      for (int k = 0; k < p->n; k++, a += p->a_next, b += p->b_next) s += *a * p->scale[k] * *b;
      p->sums[row * p->sums_row + column] = s;
    }
}

#ifdef HAS_VMLA
#define SUM_PRODUCTS(name, four, one, a_step, b_step, plainly)                              \
  static ONE_COPY __attribute__((unused)) void name(const Products *p) {                    \
    int row = 0;                                                                            \
    if (p->columns == 4) {                                                                  \
      for (; row + 4 <= p->rows; row += 4)                                                  \
        RUN_PRODUCTS(four, p, row, p->a_row, p->a_step, p->b_step);                         \
      for (; row < p->rows; row++)                                                          \
        RUN_PRODUCTS(one, p, row, p->a_row, p->a_next, p->b_step);                          \
    }                                                                                       \
    plainly(p, row);                                                                        \
  }
#else
#define SUM_PRODUCTS(name, four, one, a_step, b_step, plainly)                              \
  static inline void name(const Products *p) { plainly(p, 0); }
#endif
/* products of a sum lie side by side in a and in b; in a alone; in neither; in a alone, scaled */
SUM_PRODUCTS(rows_by_rows, ROWS_BY_ROWS, ROW_BY_ROWS, a_row, b_column, sum_plainly)
SUM_PRODUCTS(rows_by_columns, ROWS_BY_COLUMNS, ONE_BY_COLUMNS, a_row, b_next, sum_plainly)
SUM_PRODUCTS(columns_by_columns, COLUMNS_BY_COLUMNS, ONE_BY_COLUMNS, a_next, b_next, sum_plainly)
/* columns of b without a gap */
SUM_PRODUCTS(scaled_rows_by_columns, SCALED_ROWS_BY_COLUMNS, SCALED_ROW_BY_COLUMNS, a_row, b_next,
             sum_scaled_plainly)
#undef SUM_PRODUCTS

/* where the next four of `all` columns begin: the last four overlap those before */
static inline int four_from(int column, int all) {
  int last = all < 4 ? 0 : all - 4;
  return column < last ? column : last;
}
#endif
