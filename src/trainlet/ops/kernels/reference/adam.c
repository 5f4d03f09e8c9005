#include "kernel.h"
#include "sqrt.h"
/* the leading m_row elements of each row of p: p -= lr / (1 - power1) m / root,
 * root = sqrt(v) / sqrt(1 - power2) + eps */
KERNEL void k_adam(float *p, const float *m, const float *v, const float *power1,
                   const float *power2, const float *lr, int rows, int p_row, int m_row,
                   float eps) {
  float rate = *lr / (1.0f - *power1), scale = sqrt_f32(1.0f - *power2);
  for (int r = 0; r < rows; r++, p += p_row, m += m_row, v += m_row)
    for (int k = 0; k < m_row; k++) p[k] -= rate * m[k] / (sqrt_f32(v[k]) / scale + eps);
}
