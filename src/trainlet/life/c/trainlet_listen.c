/* SPDX-License-Identifier: Apache-2.0 */
#include "trainlet_listen.h"

void trainlet_listen_feed(trainlet_listen *ears, const int16_t *samples, uint32_t count) {
  uint32_t fed = ears->fed, last = ears->capacity - 1;
  for (uint32_t k = 0; k < count; k++) {
    ears->ring[fed & last] = samples[k];
    ears->fed = ++fed; /* after each sample: window looks at this to see what was overwritten */
    if (fed - ears->read == ears->size) ears->full = 1;
  }
}

int trainlet_listen_ready(const trainlet_listen *ears) {
  uint32_t fed = ears->fed;
  return ears->full && (fed - ears->read >= ears->hop);
}

int trainlet_listen_window(trainlet_listen *ears, int16_t *x) {
  if (!ears->full) return TRAINLET_LISTEN_EARLY;
  uint32_t fed = ears->fed, first = fed - ears->size, last = ears->capacity - 1;
  for (uint32_t k = 0; k < ears->size; k++) x[k] = ears->ring[(first + k) & last];
  if (ears->fed - fed > ears->capacity - ears->size) return TRAINLET_LISTEN_LATE;
  ears->read = fed;
  return TRAINLET_LISTEN_OK;
}

void trainlet_listen_reset(trainlet_listen *ears) {
  ears->full = 0;
  ears->read = ears->fed;
}
