#pragma once
#include <stddef.h>

struct Microphone {
  int begin(int channels, int rate);
  int read(void *bytes, size_t size);
  void onReceive(void (*called)(void));
};
extern Microphone PDM;
