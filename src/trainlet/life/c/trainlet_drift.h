/* SPDX-License-Identifier: Apache-2.0 */
/* Watches rows of numbers, such as the features that trainer_predict returns or the largest of the
 * softmax's values, and says when to ask for a label and when to learn.
 *
 *     static float mean[64], inverse[64];
 *     static trainlet_drift drift = TRAINLET_DRIFT(mean, inverse, 64, 60);
 *
 *     trainer_predict(x, logits, features);
 *     switch (trainlet_drift_see(&drift, features)) {
 *       case TRAINLET_DRIFT_ASK: ... ask the user what this was ...
 *       case TRAINLET_DRIFT_LEARN: ... the days have changed: give a lesson, then reset ...
 *     }
 *
 * The distance of a row from what is usual is the mean over its numbers of
 * (number - mean)^2 / (variance + a hundredth of the mean variance): the distance of Mahalanobis
 * with a diagonal covariance, by which Lee et al. (NeurIPS 2018) tell inputs of another
 * distribution.  Means and variances are Welford's (1962).  A row is strange if its distance is many
 * deviations above the usual distance.  Whether distances have grown is a cumulative sum (Page,
 * Biometrika 1954): sum = max(0, sum + deviations above the usual - slack), up to a limit.
 */
#ifndef TRAINLET_DRIFT_H
#define TRAINLET_DRIFT_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  float *mean, *inverse; /* [width] each, yours; the inverse of the variance */
  uint32_t width;
  uint32_t settle; /* so many rows tell what is usual: half of them the numbers, half the distances */
  float strange;   /* deviations above the usual distance from which a row is strange */
  float slack;     /* deviations that do not count as growth */
  float limit;     /* of the sum of growth */
  uint32_t stuck;  /* so many rows with exactly one distance come from a stuck sensor */
  /* What has been seen; begins with zeros. */
  uint32_t seen, same;
  float last, usual, scatter, sum;
} trainlet_drift;

/* Four deviations, and a sum of 10 with a slack of 1: one strange row alone is no drift. */
#define TRAINLET_DRIFT(mean, inverse, width, settle) \
  {mean, inverse, width, settle, 4.0f, 1.0f, 10.0f, 8, 0, 0, 0.0f, 0.0f, 0.0f, 0.0f}

enum trainlet_drift_verdict {
  TRAINLET_DRIFT_USUAL = 0,
  TRAINLET_DRIFT_SETTLING = 1, /* not enough rows yet */
  TRAINLET_DRIFT_ASK = 2,      /* a strange row: ask for a label */
  TRAINLET_DRIFT_LEARN = 3,    /* rows have been stranger for a while: learn now */
  TRAINLET_DRIFT_STUCK = 4,    /* the same row again and again: learn nothing from it */
  TRAINLET_DRIFT_BAD = -301    /* a number is not finite, or there are none; nothing was changed */
};

int trainlet_drift_see(trainlet_drift *drift, const float *row);

/* The next rows tell anew what is usual: after a lesson that changed the features. */
void trainlet_drift_reset(trainlet_drift *drift);

#ifdef __cplusplus
}
#endif
#endif
