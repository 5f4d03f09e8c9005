/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the newest samples of a microphone, in whatever numbers they arrive, and says when a new
 * window is there for a trainer.
 *
 *     static int16_t ring[16384];
 *     static trainlet_listen ears = TRAINLET_LISTEN(ring, 16384, 16000, 8000);
 *
 *     trainlet_listen_feed(&ears, dma, count);                  in the interrupt, or in a task
 *     if (trainlet_listen_ready(&ears) &&
 *         trainlet_listen_window(&ears, trainer_x()) == 0)      every half second
 *       trainer_predict(trainer_x(), logits);
 *
 * feed may interrupt window: samples that arrive meanwhile go where the window is not read, as long
 * as they are no more than capacity - size. */
#ifndef TRAINLET_LISTEN_H
#define TRAINLET_LISTEN_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int16_t *ring;     /* capacity samples, yours */
  uint32_t capacity; /* a power of two, at least size */
  uint32_t size;     /* samples of a window */
  uint32_t hop;      /* samples from one window to the next, at least 1 */
  /* Begin with zeros. */
  volatile uint32_t fed; /* samples so far, modulo 2^32 */
  volatile uint32_t full; /* 1 when there has been a whole window */
  uint32_t read;          /* fed at the last window */
} trainlet_listen;

#define TRAINLET_LISTEN(ring, capacity, size, hop) {ring, capacity, size, hop, 0, 0, 0}

enum trainlet_listen_status {
  TRAINLET_LISTEN_OK = 0,
  TRAINLET_LISTEN_EARLY = -401, /* fewer samples than a window so far; x was not written */
  TRAINLET_LISTEN_LATE = -402   /* samples of the window were overwritten; x is to be read again */
};

/* Takes count samples. */
void trainlet_listen_feed(trainlet_listen *ears, const int16_t *samples, uint32_t count);

/* 1 if a window is there that is hop samples or more newer than the last one that was read. */
int trainlet_listen_ready(const trainlet_listen *ears);

/* The newest size samples, the oldest first. */
int trainlet_listen_window(trainlet_listen *ears, int16_t *x);

/* What was heard counts no more: after a pause of the microphone. */
void trainlet_listen_reset(trainlet_listen *ears);

#ifdef __cplusplus
}
#endif
#endif
