#pragma once
#include <stdint.h>

namespace mbed {
class FlashIAP {
public:
  int init();
  int erase(uint32_t address, uint32_t size);
  int program(const void *bytes, uint32_t address, uint32_t size);
  int read(void *bytes, uint32_t address, uint32_t size);
};
}
