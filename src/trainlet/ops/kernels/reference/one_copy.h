/* A function that is not copied for its callers: with literal sizes a copy a call would fill the
 * Flash. */
#ifndef TRAINLET_ONE_COPY_H
#define TRAINLET_ONE_COPY_H
#ifdef __clang__
#define ONE_COPY __attribute__((noinline))
#else
#define ONE_COPY __attribute__((noinline, noclone))
#endif
#endif
