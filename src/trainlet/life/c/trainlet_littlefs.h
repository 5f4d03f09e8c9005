/* SPDX-License-Identifier: Apache-2.0 */
/* A driver of trainlet_store for littlefs 2: each sector is a file of its own.
 *
 *     static trainlet_littlefs files = {.lfs = &mounted};
 *     static const trainlet_flash flash = TRAINLET_LITTLEFS(&files, 2, 64 * 1024);
 */
#ifndef TRAINLET_LITTLEFS_H
#define TRAINLET_LITTLEFS_H
#include "lfs.h"
#include "trainlet_store.h"

/* Set lfs.  Where littlefs is built without malloc, set config.buffer too (cache_size bytes). */
typedef struct {
  lfs_t *lfs;
  struct lfs_file_config config;
  lfs_file_t file; /* of the sector that is being written; littlefs keeps its bytes when it closes */
  uint32_t sector;
  int is_open;
} trainlet_littlefs;

#define TRAINLET_LITTLEFS(files, sectors, sector_bytes)                           \
  {                                                                               \
    sectors, sector_bytes, TRAINLET_STORE_UNIT_BYTES, trainlet_littlefs_erase,    \
        trainlet_littlefs_program, trainlet_littlefs_read, trainlet_littlefs_sync, files \
  }

int trainlet_littlefs_erase(void *files, uint32_t sector);
int trainlet_littlefs_program(void *files, uint32_t sector, uint32_t offset, const void *bytes,
                              uint32_t size);
int trainlet_littlefs_read(void *files, uint32_t sector, uint32_t offset, void *bytes,
                           uint32_t size);
int trainlet_littlefs_sync(void *files);
#endif
