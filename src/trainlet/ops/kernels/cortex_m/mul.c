#include "broadcast.h"
#include "kernel.h"
#include "maps_f32.h"
MEET_MAPS(multiply_maps, EIGHT_MEET("vmul.f32"), *left * *right)

/* as the reference kernel, eight columns at a time */
KERNEL void k_mul(float *y, const float *p, const float *q, BROADCAST_TWO) {
  MEET_BROADCAST(multiply_maps, y[n] = p[i] * q[j])
}
