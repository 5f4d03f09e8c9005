#pragma once
#include <zephyr/device.h>

struct gpio_dt_spec { const struct device *port; uint8_t pin; uint16_t dt_flags; };
typedef uint32_t gpio_flags_t;
#define GPIO_INPUT (1U << 16)
#define GPIO_DT_SPEC_GET(node, property) {&stub_device, 0, 0}
bool gpio_is_ready_dt(const struct gpio_dt_spec *spec);
int gpio_pin_configure_dt(const struct gpio_dt_spec *spec, gpio_flags_t flags);
int gpio_pin_get_dt(const struct gpio_dt_spec *spec);
