/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's firmware.  The board has a microphone, external Flash for recordings, a bank of its own
 * Flash for the state, and a supply that may fail at any time.  Keep it in step with board.py. */
#include <string.h>

#include "board.h"
#include "trainer.h"
#include "trainlet_correct.h"
#include "trainlet_lesson.h"
#include "trainlet_store.h"

enum { START, RECORD, ASK, LESSON, CORRECT, SAVE };            /* requests */
enum { DONE, STEPPED, JUDGED };                                /* replies: the last one is DONE */
enum { RECORDINGS = 160, REPLAYED = 64, OLD = 30, CLASSES = 13, MOST = 320 };
enum { SECTORS = 3, SECTOR_BYTES = 131072, PROGRAM_BYTES = 32 }; /* an STM32H743's */
enum { JUDGE = 0, LEARN = 1, KNOWN = 2, NOTHING = -1 };        /* what a recording is for */

struct request {
  uint32_t command, number, count;
  int32_t label, role;
  float rate;
};

struct reply {
  int32_t kind, status, value, before, after;
  float loss;
  struct elapsed time;
};

/* Erased Flash reads -1, so an empty place has no role. */
struct recording {
  int32_t role, label;
  int16_t samples[TRAINER_INPUT_SIZE];
};

static struct recording *const recordings = (struct recording *)0x90000000u;
static uint8_t *const bank = (uint8_t *)0x08100000u;

static uint8_t items[REPLAYED * sizeof(uint16_t)]; /* old examples, as numbers of recordings */
static int32_t kept_labels[REPLAYED];
static uint32_t seen[CLASSES];
static trainlet_replay replay = {items, kept_labels, seen, sizeof(uint16_t), REPLAYED, CLASSES, 0, 1};
static uint16_t numbers[MOST]; /* of a lesson: those that are learnt, then those that judge */
static struct reply reply;
static float logits[TRAINER_OUTPUT_LOGITS_SIZE], features[TRAINER_OUTPUT_FEATURES_SIZE];

/* The driver of the store. */
static int erase(void *context, uint32_t sector) {
  (void)context;
  memset(bank + sector * SECTOR_BYTES, 0xFF, SECTOR_BYTES);
  return 0;
}

static int program(void *context, uint32_t sector, uint32_t offset, const void *bytes, uint32_t size) {
  (void)context;
  memcpy(bank + sector * SECTOR_BYTES + offset, bytes, size);
  return 0;
}

static int read(void *context, uint32_t sector, uint32_t offset, void *bytes, uint32_t size) {
  (void)context;
  memcpy(bytes, bank + sector * SECTOR_BYTES + offset, size);
  return 0;
}

static const trainlet_flash flash = {SECTORS, SECTOR_BYTES, PROGRAM_BYTES, erase, program, read, NULL, NULL};

/* Calls that are timed take their arguments from here. */
static const int16_t *heard;
static int32_t wanted;
static float rate;

static void call_predict(void) { reply.status = trainer_predict(heard, logits, features); }
static void call_step(void) { reply.status = trainer_step(heard, &wanted, rate, &reply.loss); }
static void call_observe(void) { reply.status = trainer_observe(heard, &wanted); }
static void call_save(void) { reply.status = trainlet_store_save(&flash, TRAINER_BLOB_BYTES, trainer_save); }

static int send(int32_t kind) {
  reply.kind = kind;
  return board_send(&reply, sizeof reply);
}

static int32_t answer_to(const int16_t *samples) {
  int32_t best = 0;
  heard = samples;
  reply.time = board_call(call_predict);
  if (reply.status) return -1;
  for (int32_t k = 1; k < CLASSES; k++)
    if (logits[k] > logits[best]) best = k;
  return best;
}

static int step_with(const struct recording *one, int32_t label, float lr) {
  heard = one->samples;
  wanted = label;
  rate = lr;
  reply.time = board_call(call_step);
  return reply.status ? reply.status : send(STEPPED);
}

/* What a lesson asks for. */
static int learn(void *context, uint32_t number, float lr) {
  const struct recording *one = recordings + numbers[number];
  (void)context;
  return step_with(one, one->label, lr);
}

static int right(void *context, uint32_t number) {
  const struct recording *one = recordings + numbers[number];
  (void)context;
  const int32_t found = answer_to(one->samples);
  if (found < 0 || send(JUDGED)) return -1;
  return found == one->label;
}

static int keep(void *context) {
  (void)context;
  return trainlet_store_save(&flash, TRAINER_BLOB_BYTES, trainer_save);
}

static int restore(void *context) {
  (void)context;
  return trainlet_store_load(&flash, TRAINER_BLOB_BYTES, trainer_load);
}

/* What a correction asks for; an example is the number of a recording. */
static const struct recording *recording_of(const void *item) {
  uint16_t number;
  memcpy(&number, item, sizeof number);
  return recordings + number;
}

static int observe(void *context, const void *item, int32_t label) {
  (void)context;
  heard = recording_of(item)->samples;
  wanted = label;
  reply.time = board_call(call_observe);
  return reply.status;
}

static int step(void *context, const void *item, int32_t label, float lr) {
  (void)context;
  return step_with(recording_of(item), label, lr);
}

static int32_t answer(void *context, const void *item) {
  (void)context;
  return answer_to(recording_of(item)->samples);
}

static const trainlet_learner learner = {learn, right, keep, restore, NULL};
static const trainlet_pupil pupil = {observe, step, answer, NULL};

static void remember(uint32_t k) {
  const uint16_t number = (uint16_t)k;
  recordings[k].role = KNOWN;
  (void)trainlet_replay_add(&replay, &number, recordings[k].label);
}

/* The new recordings, as many old ones or OLD, and those that judge. */
static int lesson_on(const struct request *request) {
  trainlet_lesson lesson = {.passes = request->number, .lr = request->rate, .seed = 1, .at_end = 1};
  const uint32_t first = (uint32_t)request->label, end = first + request->count;
  if (end > RECORDINGS || 2 * request->count + OLD + RECORDINGS > MOST) return -1;
  for (uint32_t k = first; k < end; k++)
    if (recordings[k].role == LEARN) numbers[lesson.learnt++] = (uint16_t)k;
  const uint32_t old = lesson.learnt > OLD ? lesson.learnt : OLD;
  for (uint32_t k = 0; k < old && replay.used; k++) {
    int32_t label;
    memcpy(&numbers[lesson.learnt++], trainlet_replay_draw(&replay, &label), sizeof(uint16_t));
  }
  for (uint32_t k = 0; k < RECORDINGS; k++)
    if (recordings[k].role == JUDGE) numbers[lesson.learnt + lesson.judged++] = (uint16_t)k;
  const int status = trainlet_lesson_run(&learner, &lesson);
  for (uint32_t k = first; k < end; k++) {
    if (status != TRAINLET_LESSON_LEARNT)
      recordings[k].role = NOTHING;
    else if (recordings[k].role == LEARN)
      remember(k);
  }
  reply.before = (int32_t)lesson.right_before;
  reply.after = (int32_t)lesson.right_after;
  reply.value = (int32_t)lesson.judged;
  return status;
}

/* The state from the last save, or the factory's; the replay from the recordings. */
static int start(void) {
  trainer_init();
  for (uint32_t k = 0; k < RECORDINGS; k++)
    if (recordings[k].role == KNOWN) remember(k);
  return trainlet_store_load(&flash, TRAINER_BLOB_BYTES, trainer_load);
}

static int serve(const struct request *request) {
  struct recording *place = recordings + request->number;
  const uint16_t number = (uint16_t)request->number;
  int status = 0;
  switch (request->command) {
    case START:
      status = start();
      break;
    case RECORD:
      if (number >= RECORDINGS || board_receive(place->samples, sizeof place->samples)) return -1;
      place->label = request->label;
      place->role = request->role;
      if (place->role == KNOWN) remember(number);
      break;
    case ASK:
      if (board_receive(trainer_input(), sizeof place->samples)) return -1;
      reply.value = answer_to(trainer_input());
      status = reply.status;
      break;
    case LESSON:
      status = lesson_on(request);
      break;
    case CORRECT:
      status = trainlet_correct(&pupil, &replay, &number, request->label, request->rate, 8, 2);
      break;
    case SAVE:
      reply.time = board_call(call_save);
      status = reply.status;
      break;
    default:
      return -1;
  }
  reply.status = status;
  return send(DONE);
}

int main(void) {
  struct request request;
  board_open();
  while (!board_receive(&request, sizeof request))
    if (serve(&request)) return 1;
  return 0;
}
