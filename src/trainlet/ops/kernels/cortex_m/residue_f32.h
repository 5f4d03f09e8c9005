/* What a position of a layer's input meets: the taps whose distance to it is a multiple of the
 * stride, each of another output. */
#ifndef TRAINLET_RESIDUE_F32_H
#define TRAINLET_RESIDUE_F32_H
#include "dsp.h"

/* The `count` positions first, first + stride, .. on one axis meet taps tap, tap + every, .., of
 * which there are `taps`.  The first position meets output `at` with the first of them, and each
 * further tap an output `apart` before; each further position an output behind. */
typedef struct { int count, tap, every, taps, at, apart; } Residue;

static ONE_COPY Residue residue(int first, int size, int stride, int pad, int dilation,
                                int kernel) {
  Residue r = {(size - first + stride - 1) / stride, 0, 1, 0, 0, 0};
  while (r.tap < kernel && (first + pad - r.tap * dilation) % stride) r.tap++;
  while (r.every * dilation % stride) r.every++;
  r.apart = r.every * dilation / stride;
  if (r.tap == kernel) return r;
  r.taps = (kernel - 1 - r.tap) / r.every + 1;
  r.at = (first + pad - r.tap * dilation) / stride;
  return r;
}
#endif
