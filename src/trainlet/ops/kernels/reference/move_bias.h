/* An int32 bias that learns: *p += the rounded move, saturating. */
#ifndef TRAINLET_MOVE_BIAS_H
#define TRAINLET_MOVE_BIAS_H
#include "random.h"
static inline void move_bias(int32_t *p, float move, int mode, uint32_t key, uint32_t element) {
  const float far = 1073741760.0f;
  move = move > far ? far : move < -far ? -far : move;
  int64_t v = (int64_t)*p + round_to_i32(move, mode, key, element);
  *p = (int32_t)(v > 2147483647 ? 2147483647 : v < -2147483647 ? -2147483647 : v);
}
#endif
