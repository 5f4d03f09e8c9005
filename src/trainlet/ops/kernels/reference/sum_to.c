#include "broadcast.h"
#include "kernel.h"
/* y = before (0 if there is none) + factor * x (dense), summed over what broadcasting y would
 * repeat; before may be y, and the factor is then 1 */
KERNEL void k_sum_to(float *y, const float *restrict x, const float *before, int size, float factor,
                     BROADCAST_ONE) {
  for (int k = 0; k < size; k++) y[k] = before ? before[k] : 0.0f;
  BROADCAST_LOOP_ONE(y[i] += x[n])
  for (int k = 0; k < size; k++) y[k] *= factor;
}
