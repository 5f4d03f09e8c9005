/* The input gradient of convolutions, 16 sums at a time: outputs in ascending order, so taps in
 * descending order, each a product of rows of g with columns of w. */
#ifndef TRAINLET_CONV2D_DX_F32_H
#define TRAINLET_CONV2D_DX_F32_H
#include "residue_f32.h"
#include "windows_f32.h"

/* weights of one or four bytes; those of one have a scale for each output */
INLINED void conv2d_dx(Meet *meet, float *dx, const float *g, const void *w, const float *scale,
                       int N, int H, int W, int C, int OH, int OW, int O, int KH, int KW, int SH,
                       int SW, int PT, int PL, int DH, int DW, int G, int bytes) {
  int CG = C / G, OG = O / G, K = KH * KW * CG, tap = CG * bytes;
  Segment down, across;
  for (int phase = 0; phase < SH * SW; phase++) {
    int y0 = phase / SW, x0 = phase % SW;
    Residue py = residue(y0, H, SH, PT, DH, KH), px = residue(x0, W, SW, PL, DW, KW);
    for (int iy = 0; iy < py.count; iy += down.count) {
      down = segment(iy, py.count, OH - 1 - py.at, -1, py.apart, OH, py.taps);
      for (int ix = 0; ix < px.count; ix += across.count) {
        across = segment(ix, px.count, OW - 1 - px.at, -1, px.apart, OW, px.taps);
        int ky = py.tap + py.every * (down.end - 1), kx = px.tap + px.every * (across.end - 1);
        int oy = py.at + iy - py.apart * (down.end - 1);
        int ox = px.at + ix - px.apart * (across.end - 1);
        Products p = {.start = ZEROS, .columns = CG < 4 ? CG : 4, .n = OG,
                      .a_next = 1, .b_column = 1, .b_next = K};
        for (int n = 0; n < N; n++)
          for (int group = 0; group < G; group++)
            for (int quad = 0; quad < CG; quad += 4) {
              int c = four_from(quad, CG);
              p.a = g + ((n * OH + oy) * OW + ox) * O + group * OG;
              p.scale = scale ? scale + group * OG : 0;
              p.b = (const int8_t *)w + (group * OG * K + (ky * KW + kx) * CG + c) * bytes;
              p.sums = dx + ((n * H + y0 + SH * iy) * W + x0 + SW * ix) * C + group * CG + c;
              sum_windows(meet, &p, (Axis){down.count, OW * O, SH * W * C},
                          (Axis){across.count, O, SW * C},
                          (Taps){down.end - down.tap, py.apart * OW * O, -py.every * KW * tap},
                          (Taps){across.end - across.tap, px.apart * O, -px.every * tap});
            }
      }
    }
  }
}
#endif
