/* SPDX-License-Identifier: Apache-2.0 */
/* A driver of trainlet_store for POSIX: each sector is a file of its own in a folder that exists.
 *
 *     static const trainlet_flash flash = TRAINLET_POSIX("/var/lib/voice", 2, 64 * 1024);
 */
#ifndef TRAINLET_POSIX_H
#define TRAINLET_POSIX_H
#include "trainlet_store.h"

#define TRAINLET_POSIX(folder, sectors, sector_bytes)                          \
  {                                                                            \
    sectors, sector_bytes, TRAINLET_STORE_UNIT_BYTES, trainlet_posix_erase,    \
        trainlet_posix_program, trainlet_posix_read, trainlet_posix_sync,      \
        (void *)(folder)                                            \
  }

int trainlet_posix_erase(void *folder, uint32_t sector);
int trainlet_posix_program(void *folder, uint32_t sector, uint32_t offset, const void *bytes,
                           uint32_t size);
int trainlet_posix_read(void *folder, uint32_t sector, uint32_t offset, void *bytes, uint32_t size);
int trainlet_posix_sync(void *folder);
#endif
