/* SPDX-License-Identifier: Apache-2.0 */
#include "trainlet_lesson.h"

#include "trainlet_exact.h"

/* How many of the judged examples are right; a negative number if one cannot be judged. */
static int64_t judge(const trainlet_learner *learner, const trainlet_lesson *lesson) {
  int64_t count = 0;
  for (uint32_t k = 0; k < lesson->judged; k++) {
    int right = learner->right(learner->context, lesson->learnt + k);
    if (right < 0) return -1;
    count += right;
  }
  return count;
}

/* xorshift (Marsaglia, 2003). */
static uint32_t next(uint32_t r) {
  r ^= r << 13;
  r ^= r >> 17;
  return r ^ r << 5;
}

static uint32_t common_divisor(uint32_t a, uint32_t b) {
  while (b) {
    uint32_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* An order needs no memory: each pass begins somewhere and walks with a stride that meets every
 * number once. */
static uint32_t stride_of(uint32_t random, uint32_t n) {
  uint32_t stride = 1 + random % n;
  while (common_divisor(stride, n) != 1) stride++;
  return stride;
}

static void learn_pass(const trainlet_learner *learner, trainlet_lesson *lesson, uint32_t *random) {
  uint32_t n = lesson->learnt, total = lesson->passes * n, done = lesson->passes_done * n;
  *random = next(*random);
  uint32_t at = *random % n;
  *random = next(*random);
  uint32_t stride = stride_of(*random, n);
  for (uint32_t k = 0; k < n; k++) {
    float rate = lesson->lr * ((float)(total - done - k) / (float)total);
    if (learner->learn(learner->context, at, rate)) lesson->skipped++;
    at = (uint32_t)(((uint64_t)at + stride) % n);
  }
  lesson->passes_done++;
}

static int ended(const trainlet_learner *learner, int status) {
  return learner->restore(learner->context) ? TRAINLET_LESSON_RESTORE : status;
}

int trainlet_lesson_run(const trainlet_learner *learner, trainlet_lesson *lesson) {
  uint32_t random = lesson->seed ? lesson->seed : 1, waited = 0;
  int learnt = 0, is_kept = 1;
  lesson->right_before = lesson->right_after = lesson->passes_done = lesson->skipped = 0;
  if (!lesson->learnt || !lesson->judged || !lesson->passes) return TRAINLET_LESSON_EMPTY;
  int64_t best = judge(learner, lesson);
  if (best < 0) return TRAINLET_LESSON_PREDICT;
  lesson->right_before = lesson->right_after = (uint32_t)best;
  if (learner->keep(learner->context)) return TRAINLET_LESSON_KEEP;
  while (lesson->passes_done < lesson->passes) {
    learn_pass(learner, lesson, &random);
    if (lesson->at_end && lesson->passes_done < lesson->passes) continue;
    int64_t right = judge(learner, lesson);
    if (right < 0) return ended(learner, TRAINLET_LESSON_PREDICT);
    waited = right > best ? 0 : waited + 1;
    is_kept = right >= best;
    if (is_kept) {
      if (learner->keep(learner->context)) return ended(learner, TRAINLET_LESSON_KEEP);
      best = right;
      learnt = 1;
    }
    if (lesson->patience && waited == lesson->patience) break;
  }
  lesson->right_after = (uint32_t)best;
  int status = learnt ? TRAINLET_LESSON_LEARNT : TRAINLET_LESSON_ROLLED_BACK;
  return is_kept ? status : ended(learner, status);
}
