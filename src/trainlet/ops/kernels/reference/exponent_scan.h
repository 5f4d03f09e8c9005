/* bits to drop of results of at most gain * top, each rounded `slack` times */
#ifndef TRAINLET_EXPONENT_SCAN_H
#define TRAINLET_EXPONENT_SCAN_H
#include <stdint.h>
static inline int scan_shift(int32_t top, int gain, int slack, int limit) {
  int64_t bound = (int64_t)top * gain;
  int s = 0;
  if (bound > limit)
    for (s = 1; bound + ((int64_t)slack << s) > (int64_t)limit << s;) s++;
  return s;
}
#endif
