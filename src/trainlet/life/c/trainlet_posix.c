/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "trainlet_posix.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PATH_BYTES 256

static int open_sector(const char *folder, uint32_t sector, int flags) {
  char path[PATH_BYTES];
  int length = snprintf(path, sizeof path, "%s/trainlet.%u", folder, (unsigned)sector);
  if (length < 0 || length >= PATH_BYTES) return -1;
  return open(path, flags | O_CLOEXEC, 0600);
}

/* Closes the file after its bytes are on the disk. */
static int finish(int file, int status) {
  if (fsync(file)) status = -1;
  if (close(file)) status = -1;
  return status;
}

int trainlet_posix_erase(void *folder, uint32_t sector) {
  int file = open_sector(folder, sector, O_WRONLY | O_CREAT | O_TRUNC);
  return file < 0 ? -1 : finish(file, 0);
}

int trainlet_posix_program(void *folder, uint32_t sector, uint32_t offset, const void *bytes,
                           uint32_t size) {
  int file = open_sector(folder, sector, O_WRONLY);
  if (file < 0) return -1;
  return finish(file, pwrite(file, bytes, size, (off_t)offset) == (ssize_t)size ? 0 : -1);
}

int trainlet_posix_read(void *folder, uint32_t sector, uint32_t offset, void *bytes,
                        uint32_t size) {
  int file = open_sector(folder, sector, O_RDONLY);
  if (file < 0) return -1;
  int status = pread(file, bytes, size, (off_t)offset) == (ssize_t)size ? 0 : -1;
  close(file);
  return status;
}

/* The names of new files. */
int trainlet_posix_sync(void *folder) {
  int file = open(folder, O_RDONLY | O_CLOEXEC);
  return file < 0 ? -1 : finish(file, 0);
}
