/* A weight gradient's ways: into a tensor, straight into the weights, or squared into a sum. */
#ifndef TRAINLET_PUT_GRADIENT_H
#define TRAINLET_PUT_GRADIENT_H
#include "planes.h"
/* where gradients go: to dw, or straight into the weights p, `row` of them in each row, of which the
 * leading ones learn, or, squared, to the sums of their columns; the others are NULL */
typedef struct {
  float *dw, *squares;
  int8_t *p;
  const float *inverse;
  float lr;
  int row;
  Planes planes;
} Gradients;

static inline Gradients into_weights(int8_t *p, const float *inverse, const float *lr, int row,
                                     uint32_t key, int mode, int size, int bits) {
  return (Gradients){0, 0, p, inverse, *lr, row, {size, bits, mode, key}};
}

/* what a gradient of an output channel is multiplied by before it is a move */
static inline float factor_of(const Gradients *to, int channel) {
  return !to->p ? 1.0f : to->lr * to->inverse[channel] * (float)(1 << to->planes.bits);
}

/* of the c-th of C weights that learn in row r */
static inline void put_scaled(const Gradients *to, int r, int C, int c, float gradient,
                              float factor) {
  if (to->dw) to->dw[r * C + c] = gradient;
  else if (to->squares) to->squares[c] += gradient * gradient;
  else move_weight(to->p, r * to->row + c, r * C + c, -(gradient * factor), to->planes);
}

/* the same where a row is an output channel */
static inline void put_gradient(const Gradients *to, int o, int C, int c, float gradient) {
  put_scaled(to, o, C, c, gradient, factor_of(to, o));
}
#endif
