/* the largest sum of |w[O,KH,KW,C]| over all that one input element goes into: the outputs of its
 * group, and the taps that leave the same rest by the stride */
#ifndef TRAINLET_WEIGHT_GAIN_H
#define TRAINLET_WEIGHT_GAIN_H
#include "bfp.h"
#define WEIGHT_GAIN_PARAMETERS \
  int32_t *restrict gain, const int8_t *w, int O, int KH, int KW, int C, int SH, int SW, int DH, \
  int DW, int G
#define WEIGHT_GAIN_ARGUMENTS gain, w, O, KH, KW, C, SH, SW, DH, DW, G
static inline void weight_gain(WEIGHT_GAIN_PARAMETERS) {
  int OG = O / G;
  *gain = 1;
  for (int group = 0; group < G; group++)
    for (int down = 0; down < SH; down++)
      for (int across = 0; across < SW; across++)
        for (int c = 0; c < C; c++) {
          int32_t s = 0;
          for (int o = group * OG; o < (group + 1) * OG; o++)
            for (int ky = 0; ky < KH; ky++)
              for (int kx = 0; kx < KW; kx++)
                if (ky * DH % SH == down && kx * DW % SW == across)
                  s += magnitude(w[((o * KH + ky) * KW + kx) * C + c]);
          if (s > *gain) *gain = s;
        }
}
#endif
