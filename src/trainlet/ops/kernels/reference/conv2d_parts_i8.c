#include "kernel.h"
#include <stdint.h>
#include <string.h>
KERNEL void k_concat_i8(int8_t *restrict y, const int8_t *a, const int8_t *b, int rows, int A,
                        int B);
KERNEL void k_conv2d_i8(int8_t *restrict y, const int8_t *x, const int8_t *w, const int32_t *b,
                        const int32_t *q, int N, int H, int W, int C, int OH, int OW, int O, int KH,
                        int KW, int SH, int SW, int PT, int PL, int DH, int DW, int G, int ZX,
                        int ZY, int low, int high);
/* conv2d_i8 of the weight's first A input channels, `first`, and the others, `second`: joined in
 * `work` for `most` outputs at a time */
KERNEL void k_conv2d_parts_i8(int8_t *restrict y, const int8_t *x, const int8_t *first,
                              const int8_t *second, const int32_t *b, const int32_t *q,
                              uint8_t *work, int N, int H, int W, int C, int OH, int OW,
                              int O, int KH, int KW, int SH, int SW, int PT, int PL, int DH, int DW,
                              int G, int ZX, int ZY, int low, int high, int A, int most) {
  int32_t *scales = (int32_t *)(void *)work;
  int8_t *w = (int8_t *)(scales + 2 * most), *some = w + most * KH * KW * C;
  for (int o = 0; o < O; o += most) {
    int n = O - o < most ? O - o : most, rows = n * KH * KW, pixels = N * OH * OW;
    k_concat_i8(w, first + o * KH * KW * A, second + o * KH * KW * (C - A), rows, A, C - A);
    memcpy(scales, q + o, (size_t)n * sizeof *q);
    memcpy(scales + n, q + O + o, (size_t)n * sizeof *q);
    k_conv2d_i8(some, x, w, b + o, scales, N, H, W, C, OH, OW, n, KH, KW, SH, SW, PT, PL, DH, DW,
                G, ZX, ZY, low, high);
    for (int p = 0; p < pixels; p++) memcpy(y + p * O + o, some + p * n, (size_t)n);
  }
}
