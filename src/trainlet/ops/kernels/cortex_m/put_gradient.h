/* A weight gradient's two ways: into a tensor, or straight into the weights. */
#ifndef TRAINLET_PUT_GRADIENT_H
#define TRAINLET_PUT_GRADIENT_H
#include "planes.h"
/* where gradients go: to dw[O,C], or, if that is NULL, straight into the weights p[O,row] */
typedef struct {
  float *dw;
  int8_t *p;
  const float *inverse;
  float lr;
  int row;
  Planes planes;
} Gradients;

static inline void put_gradient(const Gradients *to, int o, int C, int c, float gradient) {
  if (to->dw) {
    to->dw[o * C + c] = gradient;
    return;
  }
  float factor = to->lr * to->inverse[o] * (float)(1 << to->planes.bits);
  move_weight(to->p, o * to->row + c, o * C + c, -(gradient * factor), to->planes);
}
#endif
