/* The inner loop of matrix products of int16: eight sums in registers, of two rows with four.
 * Assembly, since all core registers hold sums, operands and the two pointers: r0 to r3 are the
 * sums of the first row, from r9 on, with the four rows from x on; r4, r5, r6 and r8 those of the
 * second.  A word is two elements of a row, and words of rows that meet lie side by side. */
#ifndef TRAINLET_EIGHT_SUMS_H
#define TRAINLET_EIGHT_SUMS_H
#include "dsp.h"
#if defined(HAS_DSP) && defined(__ARM_FP)
#define HAS_EIGHT_SUMS
#define EIGHT_SUMS "r0, r1, r2, r3, r4, r5, r6, r8"
#define ADD_TWO(sum, x, w) "smlad " sum ", " x ", " w ", " sum "\n\t"
#define TWO_MEET_FOUR(between, then)                                                        \
  "ldrd r10, r11, [r9], #8\n\tldrd r12, lr, [%[x]], #8\n\t"                               \
  ADD_TWO("r0", "r12", "r10") ADD_TWO("r4", "r12", "r11") between                           \
  ADD_TWO("r1", "lr", "r10") ADD_TWO("r5", "lr", "r11") then                                \
  "ldrd r12, lr, [%[x]], #8\n\t" ADD_TWO("r2", "r12", "r10") ADD_TWO("r6", "r12", "r11")   \
  ADD_TWO("r3", "lr", "r10") ADD_TWO("r8", "lr", "r11")
/* four words of each row; then the flags tell whether r9 is at a floating-point register's end */
#define EIGHT_SUMS_TO(end)                                                                  \
  TWO_MEET_FOUR("", "") TWO_MEET_FOUR("", "") TWO_MEET_FOUR("", "")                         \
  TWO_MEET_FOUR("vmov r12, " end "\n\t", "cmp r12, r9\n\t")
#define EIGHT_SUMS_CLOBBER                                                                  \
  "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r11", "r12", "lr", "cc", "memory"
#endif
#endif
