#include "dsp.h"
#include "kernel.h"
#include "vmla.h"
#define DESCEND(p, g) "vmla.f32 s" #p ", s" #g ", %[rate]\n\t"

static ONE_COPY void descend(float *p, const float *g, const float *lr, int n) {
  float rate = -*lr;
#ifdef HAS_VMLA
  __asm__ volatile("subs %[n], #8\n\tblt 2f\n"
                   "1:\tvldmia %[p], {s0-s7}\n\t" LOAD("g", "s8-s15")
                   DESCEND(0, 8) DESCEND(1, 9) DESCEND(2, 10) DESCEND(3, 11)
                   DESCEND(4, 12) DESCEND(5, 13) DESCEND(6, 14) DESCEND(7, 15)
                   "vstmia %[p]!, {s0-s7}\n\tsubs %[n], #8\n\tbge 1b\n2:\tadds %[n], #8"
                   : [p] "+&r"(p), [g] "+&r"(g), [n] "+&r"(n)
                   : [rate] "t"(rate)
                   : LOW_SINGLES, "cc", "memory");
#endif
  for (; n > 0; n--) *p++ += rate * *g++;
}

/* as the reference kernel, eight elements at a time */
KERNEL void k_sgd(float *p, const float *g, const float *lr, int rows, int p_row, int g_row) {
  for (int r = 0; r < rows; r++, p += p_row, g += g_row) descend(p, g, lr, g_row);
}
