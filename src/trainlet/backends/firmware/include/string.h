/* The part of <string.h> that a generated project may use; a bare-metal compiler has no other.
   As builtins, copies of a few bytes become single instructions instead of calls. */
#ifndef STRING_H
#define STRING_H
#include <stddef.h>

void *memcpy(void *restrict target, const void *restrict source, size_t size);
void *memmove(void *target, const void *source, size_t size);
void *memset(void *target, int value, size_t size);

#define memcpy __builtin_memcpy
#define memmove __builtin_memmove
#define memset __builtin_memset

#endif
