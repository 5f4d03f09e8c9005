/* Which positions of a map meet the same taps of a window: their sums are one matrix product. */
#ifndef TRAINLET_WINDOWS_F32_H
#define TRAINLET_WINDOWS_F32_H
#include "products_f32.h"
#include "window.h"

/* `count` positions on one axis, whose windows meet the taps from `tap` to before `end` */
typedef struct { int count, tap, end; } Segment;

/* of `all` positions, those from `first` on; the window of position p begins at origin + step p */
static ONE_COPY Segment segment(int first, int all, int origin, int step, int dilation, int size,
                                int kernel) {
  Segment s = {0, 0, 0};
  for (; first < all; first++, s.count++) {
    int at = origin + step * first;
    int tap = first_tap(at, dilation), end = end_tap(at, dilation, size, kernel);
    if (end <= tap) tap = end = 0;
    if (s.count && (tap != s.tap || end != s.end)) break;
    s.tap = tap, s.end = end;
  }
  return s;
}

/* positions down and across, and the elements of a and of the sums from one to the next */
typedef struct { int count, a, sums; } Axis;
/* taps down and across, the elements of a and the bytes of b from one to the next */
typedef struct { int count, a, b; } Taps;

/* for all positions and taps; p has the first of each */
INLINED void sum_windows(Meet *meet, const Products *first, Axis down, Axis across, Taps y,
                         Taps x) {
  Products p = *first;
  if (down.a == across.a * across.count && down.sums == across.sums * across.count)
    across.count *= down.count, down.count = 1;
  if (across.count < 4 && down.count > across.count) {
    Axis swapped = down;
    down = across, across = swapped;
  }
  p.rows = across.count, p.a_row = across.a, p.sums_row = across.sums;
  if (y.count * x.count == 0) p.n = 0, y.count = x.count = 1;
  for (int line = 0; line < down.count; line++) {
    p.sums = first->sums + line * down.sums;
    p.start = first->start, p.start_row = first->start_row;
    for (int ky = 0; ky < y.count; ky++)
      for (int kx = 0; kx < x.count; kx++) {
        p.a = first->a + line * down.a + ky * y.a + kx * x.a;
        p.b = (const int8_t *)first->b + ky * y.b + kx * x.b;
        meet(&p);
        p.start = p.sums, p.start_row = p.sums_row;
      }
  }
}
#endif
