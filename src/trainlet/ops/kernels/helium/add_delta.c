#include "kernel.h"
#include "mve.h"
/* as the reference kernel, four biases at a time */
KERNEL ONE_COPY void k_add_delta(int32_t *b, const int32_t *base, const int16_t *delta, int size) {
  for (; size > 0; size -= 4, b += 4, base += 4, delta += 4) {
    mve_pred16_t some = vctp32q((uint32_t)size);
    int32x4_t v = vqaddq_s32(vldrwq_z_s32(base, some), vldrhq_z_s32(delta, some));
    vstrwq_p_s32(b, vmaxq_s32(v, vdupq_n_s32(-2147483647)), some);
  }
}
