/* Arm semihosting for M-profile cores: BKPT 0xAB, the operation in r0, its arguments at r1. */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H
#include <stdint.h>

enum { SYS_OPEN = 1, SYS_WRITE0 = 4, SYS_WRITE = 5, SYS_READ = 6, SYS_EXIT_EXTENDED = 0x20 };
enum { OPEN_READ = 1, OPEN_WRITE = 5 };

static inline uint32_t semihosting(uint32_t operation, const void *arguments)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static inline void semihosting_exit(uint32_t code)
{
    const uint32_t reason[2] = {0x20026, code}; /* ADP_Stopped_ApplicationExit */
    for (;;) {
        semihosting(SYS_EXIT_EXTENDED, reason);
    }
}

#endif
