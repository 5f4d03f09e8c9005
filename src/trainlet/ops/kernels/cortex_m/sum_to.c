#include "broadcast.h"
#include "dsp.h"
#include "kernel.h"
#include "vmla.h"
#ifdef HAS_VMLA
#define ADD(s, x) "vadd.f32 s" #s ", s" #s ", s" #x "\n\t"
static ONE_COPY void add_eight(float *y, const float *x, int rows, int row) {
  __asm__ volatile("vldmia %[y], {s0-s7}\n"
                   "1:\t" LOAD_STEP("x", "s8-s15", "row")
                   ADD(0, 8) ADD(1, 9) ADD(2, 10) ADD(3, 11)
                   ADD(4, 12) ADD(5, 13) ADD(6, 14) ADD(7, 15)
                   "subs %[rows], #1\n\tbne 1b\n\tvstmia %[y], {s0-s7}"
                   : [x] "+&r"(x), [rows] "+&r"(rows)
                   : [y] "r"(y), [row] "r"(row)
                   : LOW_SINGLES, "cc", "memory");
}
#else
static void add_eight(float *y, const float *x, int rows, int row) {
  for (; rows > 0; rows--, x += row)
    for (int c = 0; c < 8; c++) y[c] += x[c];
}
#endif

/* as the reference kernel; where y is a vector of whole eights of channels, eight at a time */
KERNEL void k_sum_to(float *y, const float *restrict x, const float *before, int size, float factor,
                     BROADCAST_ONE) {
  for (int k = 0; k < size; k++) y[k] = before ? before[k] : 0.0f;
  if (d0 * d1 == 1 && i2 == 0 && i3 == 1 && !(d3 & 7)) {
    for (int c = 0; c < d3; c += 8) add_eight(y + c, x + c, d2, d3);
  } else {
    BROADCAST_LOOP_ONE(y[i] += x[n])
  }
  for (int k = 0; k < size; k++) y[k] *= factor;
}
