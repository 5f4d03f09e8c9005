/* Eight columns of a map and of vectors at a time: none, where no core is known to gain by it. */
#ifndef TRAINLET_FPU_BLOCK_F32_H
#define TRAINLET_FPU_BLOCK_F32_H
#define FPU_BLOCK(...)
#endif
