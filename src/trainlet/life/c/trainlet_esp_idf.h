/* SPDX-License-Identifier: Apache-2.0 */
/* A driver of trainlet_store for ESP-IDF's NVS.
 *
 *     static nvs_handle_t handle;   // nvs_open("voice", NVS_READWRITE, &handle)
 *     static const trainlet_entries entries = TRAINLET_ESP_IDF(&handle, 64 * 1024);
 *     static const trainlet_flash flash = TRAINLET_ENTRIES(&entries, 2, 64 * 1024);
 *
 * The namespace belongs to the store alone. */
#ifndef TRAINLET_ESP_IDF_H
#define TRAINLET_ESP_IDF_H
#include "nvs.h"
#include "trainlet_entries.h"

#define TRAINLET_ESP_IDF(handle, sector_bytes)                                                   \
  {                                                                                              \
    sector_bytes, trainlet_esp_idf_put, trainlet_esp_idf_get, trainlet_esp_idf_drop,             \
        trainlet_esp_idf_sync, handle                                                            \
  }

int trainlet_esp_idf_put(const void *handle, uint32_t number, const void *bytes, uint32_t size);
int trainlet_esp_idf_get(const void *handle, uint32_t number, void *bytes, uint32_t size);
int trainlet_esp_idf_drop(const void *handle, uint32_t number);
int trainlet_esp_idf_sync(const void *handle);
#endif
