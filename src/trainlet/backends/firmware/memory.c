/* The memory functions that a compiler may call on its own, for projects without a C library. */
#include <stddef.h>
#include <stdint.h>

#undef memcpy
#undef memmove
#undef memset

void *memcpy(void *restrict target, const void *restrict source, size_t size);
void *memmove(void *target, const void *source, size_t size);
void *memset(void *target, int value, size_t size);

/* sixteen bytes; both pointers move past them */
#define MOVE_FOUR_WORDS(to, from)                                                    \
    __asm__ volatile("ldmia %1!, {r3, r4, r5, r6}\n\tstmia %0!, {r3, r4, r5, r6}"    \
                     : "+l"(to), "+l"(from)                                          \
                     :                                                               \
                     : "r3", "r4", "r5", "r6", "memory")

static int aligned(const void *a, const void *b)
{
    return (((uintptr_t)a | (uintptr_t)b) & 3) == 0;
}

void *memcpy(void *restrict target, const void *restrict source, size_t size)
{
    unsigned char *to = target;
    const unsigned char *from = source;
    if (aligned(to, from)) {
        for (; size >= 32; size -= 32) {
            MOVE_FOUR_WORDS(to, from);
            MOVE_FOUR_WORDS(to, from);
        }
        for (; size >= 4; size -= 4, to += 4, from += 4) {
            *(uint32_t *)(void *)to = *(const uint32_t *)(const void *)from;
        }
    }
    while (size--) {
        *to++ = *from++;
    }
    return target;
}

void *memmove(void *target, const void *source, size_t size)
{
    unsigned char *to = target;
    const unsigned char *from = source;
    if ((uintptr_t)to - (uintptr_t)from >= size) {
        return memcpy(target, source, size); /* going up never overtakes the source */
    }
    while (size--) {
        to[size] = from[size];
    }
    return target;
}

void *memset(void *target, int value, size_t size)
{
    unsigned char *to = target;
    const uint32_t word = (unsigned char)value * 0x01010101u;
    if (aligned(to, to)) {
        for (; size >= 4; size -= 4, to += 4) {
            *(uint32_t *)(void *)to = word;
        }
    }
    while (size--) {
        *to++ = (unsigned char)value;
    }
    return target;
}
