/* The largest magnitude of mantissas, several in a word. */
#ifndef TRAINLET_LARGEST_OF_H
#define TRAINLET_LARGEST_OF_H
#include "halves.h"
static ONE_COPY int32_t largest_of(const void *g, int size, int bytes) {
  const int8_t *at = g;
  int each = 4 / bytes, words = size / each, rest = size - words * each;
  uint32_t top = 0;
  if (bytes == 2)
    for (int k = 0; k < words; k++, at += 4)
      top = most_halves(top, load_bytes(at));
  else
    for (int k = 0; k < words; k++, at += 4)
      top = most_bytes(top, load_bytes(at));
  int32_t found = largest_mantissa(at, rest, bytes);
  for (int k = 0; k < each; k++) {
    int32_t lane = (int32_t)(bytes == 2 ? top >> 16 * k & 0x7FFFu : top >> 8 * k & 0x7Fu);
    if (lane > found) found = lane;
  }
  return found;
}
#endif
