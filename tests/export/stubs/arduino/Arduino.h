/* What the exported sketch uses of Arduino's API. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define A0 14
int analogRead(int pin);
void delayMicroseconds(unsigned int microseconds);

struct Printer {
  void begin(unsigned long baud);
  int available();
  int read();
  long parseInt();
  size_t print(const char *text);
  size_t println(int value);
};
extern Printer Serial;
