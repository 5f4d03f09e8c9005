/* SPDX-License-Identifier: Apache-2.0 */
#include "trainlet_littlefs.h"

int trainlet_littlefs_sync(void *context) {
  trainlet_littlefs *files = context;
  if (!files->is_open) return 0;
  files->is_open = 0;
  return lfs_file_close(files->lfs, &files->file);
}

static int open_sector(trainlet_littlefs *files, uint32_t sector, int flags) {
  char path[] = "trainlet.00000000";
  for (int k = 0; k < 8; k++) path[9 + k] = "0123456789abcdef"[sector >> (28 - 4 * k) & 15u];
  if (trainlet_littlefs_sync(files) ||
      lfs_file_opencfg(files->lfs, &files->file, path, flags, &files->config))
    return -1;
  files->is_open = 1;
  files->sector = sector;
  return 0;
}

int trainlet_littlefs_erase(void *context, uint32_t sector) {
  if (open_sector(context, sector, LFS_O_RDWR | LFS_O_CREAT | LFS_O_TRUNC)) return -1;
  return trainlet_littlefs_sync(context);
}

int trainlet_littlefs_program(void *context, uint32_t sector, uint32_t offset, const void *bytes,
                              uint32_t size) {
  trainlet_littlefs *files = context;
  if ((!files->is_open || files->sector != sector) && open_sector(files, sector, LFS_O_RDWR))
    return -1;
  if (lfs_file_seek(files->lfs, &files->file, (lfs_soff_t)offset, LFS_SEEK_SET) < 0) return -1;
  return lfs_file_write(files->lfs, &files->file, bytes, size) == (lfs_ssize_t)size ? 0 : -1;
}

int trainlet_littlefs_read(void *context, uint32_t sector, uint32_t offset, void *bytes,
                           uint32_t size) {
  trainlet_littlefs *files = context;
  if (open_sector(files, sector, LFS_O_RDONLY)) return -1;
  int status = lfs_file_seek(files->lfs, &files->file, (lfs_soff_t)offset, LFS_SEEK_SET) < 0 ||
               lfs_file_read(files->lfs, &files->file, bytes, size) != (lfs_ssize_t)size;
  return trainlet_littlefs_sync(files) || status ? -1 : 0;
}
