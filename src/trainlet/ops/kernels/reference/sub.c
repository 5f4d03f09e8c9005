#include "broadcast.h"
#include "kernel.h"
#include "sub.h"
/* y = p - q, either operand repeated by broadcasting */
KERNEL void k_sub(float *y, const float *p, const float *q, BROADCAST_TWO) {
  BROADCAST_LOOP_TWO(y[n] = sub_f32(p[i], q[j]))
}
