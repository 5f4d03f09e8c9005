/* A function that is not copied for its callers: with literal sizes a copy a call would fill the
 * Flash.  "unused": a header may bring one that the kernels of this trainer do not call. */
#ifndef TRAINLET_ONE_COPY_H
#define TRAINLET_ONE_COPY_H
#ifdef __clang__
#define ONE_COPY __attribute__((noinline, unused))
#else
#define ONE_COPY __attribute__((noinline, noclone, unused))
#endif
#endif
