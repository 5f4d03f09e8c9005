/* SPDX-License-Identifier: Apache-2.0 */
#include "trainlet_correct.h"

#include <stddef.h>

static void learn_round(const trainlet_pupil *pupil, trainlet_replay *replay, const void *x,
                        int32_t label, float lr, uint32_t old) {
  (void)pupil->step(pupil->context, x, label, lr); /* a step that is refused changes nothing */
  for (uint32_t k = 0; k < old; k++) {
    int32_t kept = 0;
    const uint8_t *example = trainlet_replay_draw(replay, &kept);
    if (example) (void)pupil->step(pupil->context, example, kept, lr);
  }
}

int trainlet_correct(const trainlet_pupil *pupil, trainlet_replay *replay, const void *x,
                     int32_t label, float lr, uint32_t rounds, uint32_t old) {
  if (label < 0 || (uint32_t)label >= replay->classes) return TRAINLET_CORRECT_REFUSED;
  if (pupil->observe && pupil->observe(pupil->context, x, label)) return TRAINLET_CORRECT_REFUSED;
  int32_t answer = pupil->answer(pupil->context, x);
  for (uint32_t k = 0; k < rounds && answer >= 0 && answer != label; k++) {
    learn_round(pupil, replay, x, label, lr, old);
    answer = pupil->answer(pupil->context, x);
  }
  if (answer < 0) return TRAINLET_CORRECT_PREDICT;
  (void)trainlet_replay_add(replay, x, label);
  return answer == label ? TRAINLET_CORRECT_DONE : TRAINLET_CORRECT_NOT_YET;
}
