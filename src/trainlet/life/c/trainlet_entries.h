/* SPDX-License-Identifier: Apache-2.0 */
/* Sectors made of numbered entries, for systems that keep each entry whole (Zephyr's ZMS, ESP-IDF's
 * NVS).  A unit of TRAINLET_STORE_UNIT_BYTES is an entry. */
#ifndef TRAINLET_ENTRIES_H
#define TRAINLET_ENTRIES_H
#include "trainlet_store.h"

/* The functions return 0 on success; to drop an entry that does not exist is a success. */
typedef struct {
  uint32_t sector_bytes; /* as the store knows it */
  int (*put)(const void *context, uint32_t number, const void *bytes, uint32_t size);
  int (*get)(const void *context, uint32_t number, void *bytes, uint32_t size);
  int (*drop)(const void *context, uint32_t number);
  int (*sync)(const void *context);
  const void *context;
} trainlet_entries;

#define TRAINLET_ENTRIES(entries, sectors, sector_bytes)                          \
  {                                                                               \
    sectors, sector_bytes, TRAINLET_STORE_UNIT_BYTES, trainlet_entries_erase,     \
        trainlet_entries_program, trainlet_entries_read, trainlet_entries_sync,   \
        (void *)(entries)                                              \
  }

int trainlet_entries_erase(void *entries, uint32_t sector);
int trainlet_entries_program(void *entries, uint32_t sector, uint32_t offset, const void *bytes,
                             uint32_t size);
int trainlet_entries_read(void *entries, uint32_t sector, uint32_t offset, void *bytes,
                          uint32_t size);
int trainlet_entries_sync(void *entries);
#endif
