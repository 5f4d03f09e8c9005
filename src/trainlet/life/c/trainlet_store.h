/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the state of a trainer in Flash, so that a power cut at any time loses no committed state.
 *
 *     static const trainlet_flash flash = {4, 4096, 8, erase, program, read, NULL, NULL};
 *     trainer_init();
 *     trainlet_store_load(&flash, TRAINER_BLOB_BYTES, trainer_load);
 *     ... trainer_step(...) ...
 *     trainlet_store_save(&flash, TRAINER_BLOB_BYTES, trainer_save);
 *
 * The sectors are a ring of slots.  A slot holds one state: a count of its erases, the blob, and a
 * sequence number with a checksum, which are written last.  A save erases the slot behind the newest
 * good one, so all slots wear alike, and the newest state is never erased.
 *
 * Two slots survive a power cut, or damage to one state.  Three survive both at once.
 * No static memory.  The stack holds one unit of TRAINLET_STORE_UNIT_BYTES. */
#ifndef TRAINLET_STORE_H
#define TRAINLET_STORE_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef TRAINLET_STORE_UNIT_BYTES /* the largest program_bytes; define it in all files alike */
#define TRAINLET_STORE_UNIT_BYTES 256
#endif

/* A driver.  Its functions return 0 on success.  `read` must report what the hardware finds damaged
 * (an ECC error) with another value and must not stop the processor. */
typedef struct {
  uint32_t sectors;       /* that the store may use */
  uint32_t sector_bytes;  /* of one erase; a multiple of program_bytes */
  uint32_t program_bytes; /* of every call of program; each unit is programmed once after an erase */
  int (*erase)(void *context, uint32_t sector);
  int (*program)(void *context, uint32_t sector, uint32_t offset, const void *bytes, uint32_t size);
  int (*read)(void *context, uint32_t sector, uint32_t offset, void *bytes, uint32_t size);
  int (*sync)(void *context); /* waits until all that was programmed is kept; NULL if program does */
  void *context;
} trainlet_flash;

enum trainlet_store_status {
  TRAINLET_STORE_OK = 0,
  TRAINLET_STORE_EMPTY = -101,  /* no good state: the first start, or all are damaged */
  TRAINLET_STORE_SIZE = -102,   /* the driver's sizes are impossible, or have no room for two slots */
  TRAINLET_STORE_WORN = -103    /* no slot took the state; the newest one is as it was */
};

/* trainer_save and trainer_load have these types. */
typedef int (*trainlet_write)(void *context, uint32_t offset, const void *bytes, uint32_t size);
typedef int (*trainlet_read)(void *context, uint32_t offset, void *bytes, uint32_t size);
typedef int (*trainlet_save)(trainlet_write write, void *context);
typedef int (*trainlet_load)(trainlet_read read, void *context);

/* What the store holds. */
typedef struct {
  uint32_t slots;
  uint32_t sequence; /* of the newest good state, which counts the states saved; 0: none */
  uint32_t erases;   /* of the slot that was erased most often */
} trainlet_store_facts;

/* Saves a state of blob_bytes behind the newest one.  Returns a status above, or the first status of
 * `save` that is not 0.  After an error the newest state is as it was. */
int trainlet_store_save(const trainlet_flash *flash, uint32_t blob_bytes, trainlet_save save);

/* Loads the newest good state, or the one before it if that is damaged.  Returns a status above, or
 * what `load` returned for the newest good state if it takes none (a state of another program). */
int trainlet_store_load(const trainlet_flash *flash, uint32_t blob_bytes, trainlet_load load);

int trainlet_store_inspect(const trainlet_flash *flash, uint32_t blob_bytes,
                           trainlet_store_facts *facts);

#ifdef __cplusplus
}
#endif
#endif
