/* The taps of a window that meet the map: first_tap <= k < end_tap. */
#ifndef TRAINLET_WINDOW_H
#define TRAINLET_WINDOW_H
static inline int first_tap(int origin, int dilation) {
  return origin < 0 ? (dilation - 1 - origin) / dilation : 0;
}
static inline int end_tap(int origin, int dilation, int size, int kernel) {
  int end = origin < size ? (size - origin + dilation - 1) / dilation : 0;
  return end < kernel ? end : kernel;
}
#endif
