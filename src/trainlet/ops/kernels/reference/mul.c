#include "broadcast.h"
#include "kernel.h"
#include "mul.h"
/* y = p * q, either operand repeated by broadcasting */
KERNEL void k_mul(float *y, const float *p, const float *q, BROADCAST_TWO) {
  BROADCAST_LOOP_TWO(y[n] = mul_f32(p[i], q[j]))
}
