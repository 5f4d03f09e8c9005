/* What trainlet_zephyr.c uses of Zephyr's ZMS. */
#include <stdint.h>
#include <sys/types.h>

struct zms_fs {
  int unused;
};

ssize_t zms_write(struct zms_fs *fs, uint32_t id, const void *data, size_t len);
ssize_t zms_read(struct zms_fs *fs, uint32_t id, void *data, size_t len);
int zms_delete(struct zms_fs *fs, uint32_t id);
