/* SPDX-License-Identifier: Apache-2.0 */
/* A lesson: learns examples in several passes, judges by others, and ends in the best state seen,
 * which is the old one if learning did not help.
 *
 *     static int learn(void *all, uint32_t number, float lr) {
 *       float loss;
 *       return trainer_step(x[number], &label[number], lr, &loss);
 *     }
 *     static int right(void *all, uint32_t number) { ... trainer_predict ... }
 *     static int keep(void *all) { return trainlet_store_save(&flash, TRAINER_BLOB_BYTES, trainer_save); }
 *     static int restore(void *all) { return trainlet_store_load(&flash, TRAINER_BLOB_BYTES, trainer_load); }
 *
 *     static const trainlet_learner learner = {learn, right, keep, restore, NULL};
 *     trainlet_lesson lesson = {.learnt = 40, .judged = 10, .passes = 5, .lr = 0.01f, .seed = 1};
 *     int status = trainlet_lesson_run(&learner, &lesson);
 */
#ifndef TRAINLET_LESSON_H
#define TRAINLET_LESSON_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Examples have numbers: 0 .. learnt-1 are learnt, new ones and old ones that were kept;
 * learnt .. learnt+judged-1 only judge. */
typedef struct {
  int (*learn)(void *context, uint32_t number, float lr); /* a step; 0 on success, else unchanged */
  int (*right)(void *context, uint32_t number); /* 1: predicted as labelled, 0: not, < 0: an error;
                                                   or a finer score, the larger the better */
  int (*keep)(void *context);                   /* keeps the state; 0 on success */
  int (*restore)(void *context);                /* brings back the state kept last; 0 on success */
  void *context;
} trainlet_learner;

typedef struct {
  uint32_t learnt, judged;
  uint32_t passes; /* at most; each in an order of its own */
  float lr;        /* of the first step; falls along a line to 0 behind the last */
  uint32_t patience; /* stops after so many passes without a better judgement; 0: never */
  uint32_t seed;     /* of the orders */
  uint32_t at_end;   /* 1: only the state behind the last pass is judged, against the old one */
  /* What came out. */
  uint32_t right_before, right_after; /* sums of `right` over the judged examples */
  uint32_t passes_done;
  uint32_t skipped; /* steps that `learn` refused: inputs that are not finite, labels, divergence */
} trainlet_lesson;

enum trainlet_lesson_status {
  TRAINLET_LESSON_LEARNT = 0,
  TRAINLET_LESSON_ROLLED_BACK = 1, /* every pass was judged worse; the state is the old one */
  TRAINLET_LESSON_EMPTY = -201,    /* nothing to learn or nothing to judge by; nothing was changed */
  TRAINLET_LESSON_PREDICT = -202,  /* `right` failed; the state is the one kept last */
  TRAINLET_LESSON_KEEP = -203,     /* `keep` failed; the state is the one kept last */
  TRAINLET_LESSON_RESTORE = -204   /* `restore` failed; load a state before you go on */
};

int trainlet_lesson_run(const trainlet_learner *learner, trainlet_lesson *lesson);

#ifdef __cplusplus
}
#endif
#endif
