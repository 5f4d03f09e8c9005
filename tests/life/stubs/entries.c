/* Entries that are kept whole, as ZMS and NVS keep them, until the power is cut. */
#include <stdlib.h>
#include <string.h>

#include "nvs.h"
#include "zephyr/fs/zms.h"

#define MOST 1024
static struct {
  int size;
  unsigned char bytes[256];
} entries[MOST];
int power = 1 << 30; /* so many changes are still made */

static int change(uint32_t number, const void *bytes, int size) {
  if (number >= MOST || power-- <= 0) return -1;
  entries[number].size = size;
  if (size) memcpy(entries[number].bytes, bytes, (size_t)size);
  return 0;
}

void forget(void) { memset(entries, 0, sizeof entries); }

ssize_t zms_write(struct zms_fs *fs, uint32_t id, const void *data, size_t len) {
  (void)fs;
  return change(id, data, (int)len) ? -5 : (ssize_t)len;
}

ssize_t zms_read(struct zms_fs *fs, uint32_t id, void *data, size_t len) {
  (void)fs;
  if (id >= MOST || !entries[id].size || power <= 0) return -2;
  memcpy(data, entries[id].bytes, len);
  return entries[id].size;
}

int zms_delete(struct zms_fs *fs, uint32_t id) {
  (void)fs;
  return change(id, NULL, 0) ? -5 : 0;
}

esp_err_t nvs_set_blob(nvs_handle_t handle, const char *key, const void *value, size_t length) {
  return change(handle + (uint32_t)strtoul(key, NULL, 16), value, (int)length) ? 1 : ESP_OK;
}

esp_err_t nvs_get_blob(nvs_handle_t handle, const char *key, void *value, size_t *length) {
  ssize_t size = zms_read(NULL, handle + (uint32_t)strtoul(key, NULL, 16), value, *length);
  if (size < 0) return ESP_ERR_NVS_NOT_FOUND;
  *length = (size_t)size;
  return ESP_OK;
}

esp_err_t nvs_erase_key(nvs_handle_t handle, const char *key) {
  uint32_t number = handle + (uint32_t)strtoul(key, NULL, 16);
  if (number < MOST && !entries[number].size) return ESP_ERR_NVS_NOT_FOUND;
  return change(number, NULL, 0) ? 1 : ESP_OK;
}

esp_err_t nvs_commit(nvs_handle_t handle) {
  (void)handle;
  return power <= 0;
}
