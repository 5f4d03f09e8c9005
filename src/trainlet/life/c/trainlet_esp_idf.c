/* SPDX-License-Identifier: Apache-2.0 */
#include "trainlet_esp_idf.h"

typedef struct {
  char text[9]; /* keys of NVS have at most 15 characters */
} entry_key;

static entry_key key_of(uint32_t number) {
  entry_key key = {""};
  for (int k = 0; k < 8; k++) key.text[k] = "0123456789abcdef"[number >> (28 - 4 * k) & 15u];
  return key;
}

int trainlet_esp_idf_put(const void *handle, uint32_t number, const void *bytes, uint32_t size) {
  return nvs_set_blob(*(const nvs_handle_t *)handle, key_of(number).text, bytes, size) != ESP_OK;
}

int trainlet_esp_idf_get(const void *handle, uint32_t number, void *bytes, uint32_t size) {
  size_t length = size;
  return nvs_get_blob(*(const nvs_handle_t *)handle, key_of(number).text, bytes, &length) != ESP_OK ||
         length != size;
}

int trainlet_esp_idf_drop(const void *handle, uint32_t number) {
  esp_err_t status = nvs_erase_key(*(const nvs_handle_t *)handle, key_of(number).text);
  return status != ESP_OK && status != ESP_ERR_NVS_NOT_FOUND;
}

int trainlet_esp_idf_sync(const void *handle) {
  return nvs_commit(*(const nvs_handle_t *)handle) != ESP_OK;
}
