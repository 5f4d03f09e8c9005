#pragma once
#include <stddef.h>
#include <stdint.h>

typedef long off_t;
struct flash_area;
#define FIXED_PARTITION_ID(label) 1
int flash_area_open(uint8_t id, const struct flash_area **area);
int flash_area_erase(const struct flash_area *area, off_t at, size_t size);
int flash_area_write(const struct flash_area *area, off_t at, const void *bytes, size_t size);
int flash_area_read(const struct flash_area *area, off_t at, void *bytes, size_t size);
