/* SPDX-License-Identifier: Apache-2.0 */
#include "trainlet_zephyr.h"

/* zms_write returns 0 where the entry has these bytes already. */
int trainlet_zephyr_put(const void *context, uint32_t number, const void *bytes, uint32_t size) {
  const trainlet_zephyr *ids = context;
  return zms_write(ids->fs, ids->first_id + number, bytes, size) < 0 ? -1 : 0;
}

int trainlet_zephyr_get(const void *context, uint32_t number, void *bytes, uint32_t size) {
  const trainlet_zephyr *ids = context;
  return zms_read(ids->fs, ids->first_id + number, bytes, size) == (ssize_t)size ? 0 : -1;
}

int trainlet_zephyr_drop(const void *context, uint32_t number) {
  const trainlet_zephyr *ids = context;
  return zms_delete(ids->fs, ids->first_id + number) < 0 ? -1 : 0;
}
