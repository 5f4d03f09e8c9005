/* The largest magnitude of mantissas. */
#ifndef TRAINLET_LARGEST_MVE_H
#define TRAINLET_LARGEST_MVE_H
#include "mve.h"
static ONE_COPY int32_t largest_mve(const void *g, int size, int bytes) {
  uint16_t top = 0;
  const int16_t *wide = g;
  const int8_t *narrow = g;
  if (bytes == 2)
    for (; size > 0; size -= 8, wide += 8)
      top = vmaxavq_s16(top, vldrhq_z_s16(wide, vctp16q((uint32_t)size)));
  else
    for (; size > 0; size -= 8, narrow += 8)
      top = vmaxavq_s16(top, vldrbq_z_s16(narrow, vctp16q((uint32_t)size)));
  return top;
}
#endif
