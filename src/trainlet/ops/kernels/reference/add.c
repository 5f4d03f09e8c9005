#include "add.h"
#include "broadcast.h"
#include "kernel.h"
/* y = p + q, either operand repeated by broadcasting */
KERNEL void k_add(float *y, const float *p, const float *q, BROADCAST_TWO) {
  BROADCAST_LOOP_TWO(y[n] = add_f32(p[i], q[j]))
}
