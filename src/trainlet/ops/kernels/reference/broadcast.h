/* Four nested loops over a dense tensor (index n) and up to two others that repeat along some
 * dimensions (indices i and j, stride 0 where they repeat). */
#ifndef TRAINLET_BROADCAST_H
#define TRAINLET_BROADCAST_H
#define BROADCAST_ONE                                                                       \
  int d0, int d1, int d2, int d3, int i0, int i1, int i2, int i3
#define BROADCAST_TWO BROADCAST_ONE, int j0, int j1, int j2, int j3
#define BROADCAST_LOOP_ONE(statement)                                                       \
  int n = 0;                                                                                \
  for (int a = 0; a < d0; a++)                                                              \
    for (int b = 0; b < d1; b++)                                                            \
      for (int c = 0; c < d2; c++) {                                                        \
        int i = a * i0 + b * i1 + c * i2;                                                   \
        for (int d = 0; d < d3; d++, n++, i += i3) statement;                               \
      }
#define BROADCAST_LOOP_TWO(statement)                                                       \
  int n = 0;                                                                                \
  for (int a = 0; a < d0; a++)                                                              \
    for (int b = 0; b < d1; b++)                                                            \
      for (int c = 0; c < d2; c++) {                                                        \
        int i = a * i0 + b * i1 + c * i2, j = a * j0 + b * j1 + c * j2;                     \
        for (int d = 0; d < d3; d++, n++, i += i3, j += j3) statement;                      \
      }
#endif
