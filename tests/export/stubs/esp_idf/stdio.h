#pragma once
__attribute__((format(printf, 1, 2))) int printf(const char *format, ...);
