/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps some of the examples that a device has seen, about as many of each class, so that learning
 * new ones does not erase what was learnt from old ones.
 *
 *     static uint8_t items[200 * 640];
 *     static int32_t labels[200];
 *     static uint32_t seen[12];
 *     static trainlet_replay replay = {items, labels, seen, 640, 200, 12, 0, 1};
 *     trainlet_replay_add(&replay, x, label);               for each example
 *     const uint8_t *old = trainlet_replay_draw(&replay, &old_label);
 *
 * Class-balancing reservoir sampling (Chrysakis and Moens, ICML 2020).  An example is a row of bytes:
 * the network's input, or features of a frozen part. */
#ifndef TRAINLET_REPLAY_H
#define TRAINLET_REPLAY_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  uint8_t *items;      /* capacity * item_bytes */
  int32_t *labels;     /* capacity */
  uint32_t *seen;      /* classes; zeros at the begin */
  uint32_t item_bytes;
  uint32_t capacity;
  uint32_t classes;    /* labels are 0..classes-1 */
  uint32_t used;       /* 0 at the begin */
  uint32_t random;     /* a seed, not 0 */
} trainlet_replay;

enum trainlet_replay_status {
  TRAINLET_REPLAY_KEPT = 0,
  TRAINLET_REPLAY_DROPPED = 1,
  TRAINLET_REPLAY_LABEL = -1 /* the label is out of range; nothing was changed */
};

int trainlet_replay_add(trainlet_replay *replay, const void *item, int32_t label);

/* One of the kept examples, each as likely as any other; NULL if there is none. */
const uint8_t *trainlet_replay_draw(trainlet_replay *replay, int32_t *label);

#ifdef __cplusplus
}
#endif
#endif
