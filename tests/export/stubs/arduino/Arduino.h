/* What our sketches use of Arduino's API. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define A0 14
int analogRead(int pin);
void delay(unsigned long milliseconds);
void delayMicroseconds(unsigned int microseconds);

struct Printer {
  void begin(unsigned long baud);
  int available();
  int read();
  int peek();
  long parseInt();
  size_t print(const char *text);
  size_t print(int value);
  size_t println(int value);
  size_t println(unsigned long value);
};
extern Printer Serial;
