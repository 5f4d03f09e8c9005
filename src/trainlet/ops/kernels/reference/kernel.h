/* What every kernel may rely on.  A kernel is one function, KERNEL void k_<op>(result, inputs...,
 * literals...), and writes nothing but its result.  A generated trainer makes them static. */
#ifndef TRAINLET_KERNEL_H
#define TRAINLET_KERNEL_H
#include <stdint.h>
#ifndef KERNEL
#define KERNEL
#endif
#endif
