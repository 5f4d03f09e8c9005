/* Eight columns of a map and of vectors at a time: none, where no core is known to gain by it. */
#ifndef TRAINLET_EIGHTS_F32_H
#define TRAINLET_EIGHTS_F32_H
#define EIGHTS(...)
#endif
