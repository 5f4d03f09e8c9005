/* Mean and 1 / sqrt(variance + eps) of one group of x[S,G,K]. */
#ifndef TRAINLET_STATISTICS_H
#define TRAINLET_STATISTICS_H
#include "sqrt.h"
typedef struct { float mean, rstd; } statistics;
static inline statistics group_statistics(const float *x, int S, int G, int K, float eps) {
  float count = (float)(S * K), mean = 0.0f, variance = 0.0f;
  for (int s = 0; s < S; s++)
    for (int k = 0; k < K; k++) mean += x[s * G * K + k];
  mean = mean / count;
  for (int s = 0; s < S; s++)
    for (int k = 0; k < K; k++) {
      float d = x[s * G * K + k] - mean;
      variance += d * d;
    }
  statistics result = {mean, 1.0f / sqrt_f32(variance / count + eps)};
  return result;
}
#endif
