/* An integer that learns, of 4 bytes (a bias) or of 2 (its difference to the pretrained one, or of a
 * head): p[at] += the rounded move, saturating. */
#ifndef TRAINLET_MOVE_BIAS_H
#define TRAINLET_MOVE_BIAS_H
#include "random.h"
static inline void move_bias(void *p, int at, int bytes, float move, int mode, uint32_t key) {
  const float far = 1073741760.0f;
  int64_t most = bytes == 2 ? 32767 : 2147483647;
  move = move > far ? far : move < -far ? -far : move;
  int64_t v = round_to_i32(move, mode, key, (uint32_t)at);
  v += bytes == 2 ? ((int16_t *)p)[at] : ((int32_t *)p)[at];
  v = v > most ? most : v < -most ? -most : v;
  if (bytes == 2) ((int16_t *)p)[at] = (int16_t)v;
  else ((int32_t *)p)[at] = (int32_t)v;
}
#endif
