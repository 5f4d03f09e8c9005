/* Eight columns of a map meet vectors, which stay in the registers of the FPU. */
#ifndef TRAINLET_FPU_BLOCK_F32_H
#define TRAINLET_FPU_BLOCK_F32_H
#include "vmla.h"
#ifdef HAS_VMLA
#define EIGHT_WITH(op, a, b, c, d, e, f, g, h)                                              \
  op " s0, s0, s" #a "\n\t" op " s1, s1, s" #b "\n\t" op " s2, s2, s" #c "\n\t"             \
  op " s3, s3, s" #d "\n\t" op " s4, s4, s" #e "\n\t" op " s5, s5, s" #f "\n\t"             \
  op " s6, s6, s" #g "\n\t" op " s7, s7, s" #h "\n\t"
#define WITH_0(op) EIGHT_WITH(op, 8, 9, 10, 11, 12, 13, 14, 15)
#define WITH_1(op) EIGHT_WITH(op, 16, 17, 18, 19, 20, 21, 22, 23)
#define WITH_2(op) EIGHT_WITH(op, 24, 25, 26, 27, 28, 29, 30, 31)
/* in a kernel of y, rows and columns, of which it leaves `done` behind; u, v and w: its vectors, of
 * less than three some twice */
#define FPU_BLOCK(map, u, v, w, meets)                                                      \
  done = columns & -8;                                                                      \
  for (int c = 0; c < done; c += 8) {                                                       \
    const float *x = map + c;                                                               \
    float *to = y + c;                                                                      \
    int left = rows;                                                                        \
    __asm__ volatile(                                                                       \
        "vldmia %[first], {s8-s15}\n\tvldmia %[second], {s16-s23}\n\t"                      \
        "vldmia %[third], {s24-s31}\n"                                                      \
        "1:\t" LOAD_STEP("x", "s0-s7", "step") meets                                        \
        "vstmia %[to], {s0-s7}\n\t" ADVANCE("to", "step") "subs %[left], #1\n\tbne 1b"      \
        : [to] "+&r"(to), [x] "+&r"(x), [left] "+&r"(left)                                  \
        : [first] "r"(u + c), [second] "r"(v + c), [third] "r"(w + c), [step] "r"(columns)  \
        : SINGLES, "cc", "memory");                                                         \
  }
#else
#define FPU_BLOCK(...)
#endif
#endif
