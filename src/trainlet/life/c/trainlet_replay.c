/* SPDX-License-Identifier: Apache-2.0 */
#include "trainlet_replay.h"

#include <string.h>

/* `seen` counts the examples of a class; the highest bit says that its share is as large as that of
 * any class can be, since it was the largest class when the store was full. */
#define FULL 0x80000000u

/* A number below n: xorshift (Marsaglia, 2003), its high bits. */
static uint32_t below(trainlet_replay *replay, uint32_t n) {
  uint32_t r = replay->random;
  r ^= r << 13;
  r ^= r >> 17;
  r ^= r << 5;
  replay->random = r;
  return (uint32_t)((uint64_t)r * n >> 32);
}

static uint32_t count(const trainlet_replay *replay, int32_t label) {
  uint32_t found = 0;
  for (uint32_t k = 0; k < replay->used; k++) found += replay->labels[k] == label;
  return found;
}

static int32_t largest(const trainlet_replay *replay) {
  uint32_t most = 0;
  int32_t label = 0;
  for (uint32_t c = 0; c < replay->classes; c++) {
    uint32_t own = count(replay, (int32_t)c);
    if (own > most) {
      most = own;
      label = (int32_t)c;
    }
  }
  return label;
}

/* The place of the example number n of a class. */
static uint32_t place(const trainlet_replay *replay, int32_t label, uint32_t n) {
  uint32_t k = 0;
  while (replay->labels[k] != label || n--) k++;
  return k;
}

int trainlet_replay_add(trainlet_replay *replay, const void *item, int32_t label) {
  if (label < 0 || (uint32_t)label >= replay->classes || !replay->capacity)
    return TRAINLET_REPLAY_LABEL;
  uint32_t *seen = replay->seen + label, at = replay->used;
  if ((*seen & ~FULL) < ~FULL) ++*seen;
  if (at < replay->capacity) {
    replay->used++;
  } else {
    int32_t most = largest(replay);
    replay->seen[most] |= FULL;
    if (*seen & FULL) {
      uint32_t own = count(replay, label), draw = below(replay, *seen & ~FULL);
      if (draw >= own) return TRAINLET_REPLAY_DROPPED;
      at = place(replay, label, draw);
    } else {
      at = place(replay, most, below(replay, count(replay, most)));
    }
  }
  memcpy(replay->items + (size_t)at * replay->item_bytes, item, replay->item_bytes);
  replay->labels[at] = label;
  return TRAINLET_REPLAY_KEPT;
}

const uint8_t *trainlet_replay_draw(trainlet_replay *replay, int32_t *label) {
  if (!replay->used) return NULL;
  uint32_t at = below(replay, replay->used);
  *label = replay->labels[at];
  return replay->items + (size_t)at * replay->item_bytes;
}
