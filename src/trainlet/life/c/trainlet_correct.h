/* SPDX-License-Identifier: Apache-2.0 */
/* A user's correction, 'no, this was ...', in one call: learns an example until it is taken for what
 * the user says, with old examples in between, and keeps it among them.
 *
 *     static int observe(void *all, const void *x, int32_t label) { return trainer_observe(x, &label); }
 *     static int step(void *all, const void *x, int32_t label, float lr) {
 *       float loss;
 *       return trainer_step(x, &label, lr, &loss);
 *     }
 *     static int32_t answer(void *all, const void *x) { ... trainer_predict, the largest logit ... }
 *
 *     static const trainlet_pupil pupil = {observe, step, answer, NULL};
 *     int status = trainlet_correct(&pupil, &replay, x, label, 0.003f, 8, 2);
 */
#ifndef TRAINLET_CORRECT_H
#define TRAINLET_CORRECT_H
#include "trainlet_replay.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int (*observe)(void *context, const void *x, int32_t label); /* adds x to its class's prototype; NULL */
  int (*step)(void *context, const void *x, int32_t label, float lr); /* both: 0, else unchanged */
  int32_t (*answer)(void *context, const void *x); /* the class that x is taken for; < 0: an error */
  void *context;
} trainlet_pupil;

enum trainlet_correct_status {
  TRAINLET_CORRECT_DONE = 0,
  TRAINLET_CORRECT_NOT_YET = 1,  /* another answer after so many rounds; a lesson may help */
  TRAINLET_CORRECT_REFUSED = -401, /* the example or its label cannot be used; nothing was changed */
  TRAINLET_CORRECT_PREDICT = -402  /* `answer` failed */
};

/* x: as the replay keeps it; without a network of prototypes, `observe` is NULL.
 * rounds: at most, each of a step with x and `old` steps with kept examples. */
int trainlet_correct(const trainlet_pupil *pupil, trainlet_replay *replay, const void *x,
                     int32_t label, float lr, uint32_t rounds, uint32_t old);

#ifdef __cplusplus
}
#endif
#endif
