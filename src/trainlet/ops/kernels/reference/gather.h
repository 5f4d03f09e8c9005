/* Loops over all elements of a result of `gather`: y is its place, x that of the element it comes
 * from.  Two of the dimensions D0, I, D2, J, D4 are indexed, I by the beginning of the index and J
 * by the rest of it, if its stride X3 is not 0.  Y and X are the strides of all but the last. */
#ifndef TRAINLET_GATHER_H
#define TRAINLET_GATHER_H
#define GATHER_SIZES                                                                        \
  int D0, int I, int D2, int J, int D4, int Y0, int Y1, int Y2, int Y3, int X0, int X1,      \
  int X2, int X3
#define GATHER_LOOP(statement)                                                              \
  for (int a = 0; a < D0; a++)                                                              \
    for (int i = 0; i < I; i++)                                                             \
      for (int b = 0; b < D2; b++)                                                          \
        for (int j = 0; j < J; j++) {                                                       \
          int y = a * Y0 + i * Y1 + b * Y2 + j * Y3;                                        \
          int x = a * X0 + index[i] * X1 + b * X2 + (X3 ? index[I + j] * X3 : 0);           \
          for (int c = 0; c < D4; c++, y++, x++) statement;                                 \
        }
#endif
