/* SPDX-License-Identifier: Apache-2.0 */
/* A driver of trainlet_store for Zephyr's ZMS.
 *
 *     static trainlet_zephyr ids = {&mounted, 0x54000000};
 *     static const trainlet_entries entries = TRAINLET_ZEPHYR(&ids, 64 * 1024);
 *     static const trainlet_flash flash = TRAINLET_ENTRIES(&entries, 2, 64 * 1024);
 */
#ifndef TRAINLET_ZEPHYR_H
#define TRAINLET_ZEPHYR_H
#include <zephyr/fs/zms.h>

#include "trainlet_entries.h"

typedef struct {
  struct zms_fs *fs; /* mounted */
  uint32_t first_id; /* the store has as many ids from here on as it has units */
} trainlet_zephyr;

#define TRAINLET_ZEPHYR(ids, sector_bytes)                                                       \
  { sector_bytes, trainlet_zephyr_put, trainlet_zephyr_get, trainlet_zephyr_drop, NULL, ids }

int trainlet_zephyr_put(const void *ids, uint32_t number, const void *bytes, uint32_t size);
int trainlet_zephyr_get(const void *ids, uint32_t number, void *bytes, uint32_t size);
int trainlet_zephyr_drop(const void *ids, uint32_t number);
#endif
