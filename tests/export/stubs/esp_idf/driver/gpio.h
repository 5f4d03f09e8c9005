/* What our firmwares use of ESP-IDF's API, in this file and beside it. */
#pragma once
#include "esp_err.h"

typedef enum { GPIO_NUM_0 = 0 } gpio_num_t;
typedef enum { GPIO_MODE_INPUT = 1 } gpio_mode_t;
esp_err_t gpio_set_direction(gpio_num_t pin, gpio_mode_t mode);
int gpio_get_level(gpio_num_t pin);
