/* SPDX-License-Identifier: Apache-2.0 */
#include "trainlet_entries.h"

#include <string.h>

#define UNIT TRAINLET_STORE_UNIT_BYTES

static uint32_t number_of(const trainlet_entries *entries, uint32_t sector, uint32_t offset) {
  return sector * (entries->sector_bytes / UNIT) + offset / UNIT;
}

/* The last entries first: they hold the end of a state. */
int trainlet_entries_erase(void *context, uint32_t sector) {
  const trainlet_entries *entries = context;
  for (uint32_t k = entries->sector_bytes / UNIT; k-- > 0;)
    if (entries->drop(entries->context, number_of(entries, sector, k * UNIT))) return -1;
  return 0;
}

int trainlet_entries_program(void *context, uint32_t sector, uint32_t offset, const void *bytes,
                             uint32_t size) {
  const trainlet_entries *entries = context;
  return entries->put(entries->context, number_of(entries, sector, offset), bytes, size);
}

int trainlet_entries_read(void *context, uint32_t sector, uint32_t offset, void *bytes,
                          uint32_t size) {
  const trainlet_entries *entries = context;
  uint8_t unit[UNIT], *to = bytes;
  while (size) {
    uint32_t skipped = offset % UNIT, part = UNIT - skipped < size ? UNIT - skipped : size;
    if (entries->get(entries->context, number_of(entries, sector, offset), unit, UNIT)) return -1;
    memcpy(to, unit + skipped, part);
    to += part;
    offset += part;
    size -= part;
  }
  return 0;
}

int trainlet_entries_sync(void *context) {
  const trainlet_entries *entries = context;
  return entries->sync ? entries->sync(entries->context) : 0;
}
