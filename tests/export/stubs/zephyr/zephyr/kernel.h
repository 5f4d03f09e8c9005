/* What the exported sample uses of Zephyr's API, in this file and beside it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

int32_t k_msleep(int32_t ms);
