/* SPDX-License-Identifier: Apache-2.0 */
#include "trainlet_drift.h"

#include "trainlet_exact.h"

#define LARGEST 1e15f /* squares of larger numbers could overflow */

/* Welford's update of a mean and of a sum of squared deviations, by the n-th number. */
static void take(float *mean, float *squares, float number, uint32_t n) {
  float apart = number - *mean;
  *mean += apart / (float)n;
  *squares += apart * (number - *mean);
}

/* Sums of squares become the inverses of variances.  The floor keeps a number that was nearly
 * constant from outvoting all others. */
static void invert(const trainlet_drift *drift, uint32_t n) {
  float total = 0.0f;
  for (uint32_t k = 0; k < drift->width; k++) total += drift->inverse[k] / (float)n;
  float floor = 0.01f * (total / (float)drift->width) + 1e-12f;
  for (uint32_t k = 0; k < drift->width; k++)
    drift->inverse[k] = 1.0f / (drift->inverse[k] / (float)n + floor);
}

static float distance_of(const trainlet_drift *drift, const float *row) {
  float sum = 0.0f;
  for (uint32_t k = 0; k < drift->width; k++) {
    float apart = row[k] - drift->mean[k];
    sum += apart * apart * drift->inverse[k];
  }
  return sum / (float)drift->width;
}

/* The distance in deviations above the usual one, between -strange and strange: the sum of growth
 * takes a single row for no more than a strange one. */
static float deviations(const trainlet_drift *drift, float distance, uint32_t settled) {
  float variance = drift->scatter / (float)settled + 1e-12f, apart = distance - drift->usual;
  float squared = apart * apart, most = drift->strange;
  if (squared >= most * most * variance) return apart > 0.0f ? most : -most;
  float root = variance > 1.0f ? variance : 1.0f;
  for (int k = 0; k < 60; k++) root = 0.5f * (root + variance / root); /* Newton's square root */
  return apart / root;
}

static int judge(trainlet_drift *drift, float distance) {
  drift->same = distance == drift->last ? drift->same + 1 : 1;
  drift->last = distance;
  if (drift->stuck && drift->same >= drift->stuck) return TRAINLET_DRIFT_STUCK;
  float above = deviations(drift, distance, drift->settle - drift->settle / 2);
  drift->sum += above - drift->slack;
  if (!(drift->sum > 0.0f)) drift->sum = 0.0f;
  if (drift->sum >= drift->limit) {
    drift->sum = 0.0f;
    return TRAINLET_DRIFT_LEARN;
  }
  return above >= drift->strange ? TRAINLET_DRIFT_ASK : TRAINLET_DRIFT_USUAL;
}

int trainlet_drift_see(trainlet_drift *drift, const float *row) {
  uint32_t half = drift->settle / 2;
  if (!drift->width || !half) return TRAINLET_DRIFT_BAD;
  for (uint32_t k = 0; k < drift->width; k++)
    if (!(row[k] > -LARGEST && row[k] < LARGEST)) return TRAINLET_DRIFT_BAD;
  if (drift->seen >= drift->settle) return judge(drift, distance_of(drift, row));
  drift->seen++;
  if (drift->seen <= half) {
    for (uint32_t k = 0; k < drift->width; k++) {
      if (drift->seen == 1) drift->mean[k] = drift->inverse[k] = 0.0f;
      take(&drift->mean[k], &drift->inverse[k], row[k], drift->seen);
    }
    if (drift->seen == half) invert(drift, half);
  } else {
    take(&drift->usual, &drift->scatter, distance_of(drift, row), drift->seen - half);
  }
  return TRAINLET_DRIFT_SETTLING;
}

void trainlet_drift_reset(trainlet_drift *drift) {
  drift->seen = drift->same = 0;
  drift->last = drift->usual = drift->scatter = drift->sum = 0.0f;
}
