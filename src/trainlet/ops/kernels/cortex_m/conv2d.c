#include "kernel.h"
#include "windows_f32.h"
/* as the reference kernel, 16 sums at a time */
KERNEL ONE_COPY void k_conv2d(float *restrict y, const float *x, const float *w, const float *b,
                              int N, int H, int W, int C, int OH, int OW, int O, int KH, int KW,
                              int SH, int SW, int PT, int PL, int DH, int DW, int G) {
  int CG = C / G, OG = O / G, K = KH * KW * CG, joined = DW * G == 1;
  Segment down, across;
  for (int oy = 0; oy < OH; oy += down.count) {
    down = segment(oy, OH, -PT, SH, DH, H, KH);
    for (int ox = 0; ox < OW; ox += across.count) {
      across = segment(ox, OW, -PL, SW, DW, W, KW);
      int taps = across.end - across.tap;
      int at = ((oy * SH - PT + down.tap * DH) * W + ox * SW - PL + across.tap * DW) * C;
      Products p = {.columns = OG < 4 ? OG : 4, .n = joined ? taps * C : CG,
                    .a_next = 1, .b_column = K, .b_next = 1};
      for (int n = 0; n < N; n++)
        for (int group = 0; group < G; group++)
          for (int quad = 0; quad < OG; quad += 4) {
            int o = group * OG + four_from(quad, OG);
            p.a = x + n * H * W * C + at + group * CG;
            p.b = w + o * K + (down.tap * KW + across.tap) * CG;
            p.start = b ? b + o : ZEROS;
            p.sums = y + ((n * OH + oy) * OW + ox) * O + o;
            sum_windows(rows_by_rows, &p, (Axis){down.count, SH * W * C, OW * O},
                        (Axis){across.count, SW * C, O},
                        (Taps){down.end - down.tap, DH * W * C, KW * CG * (int)sizeof *w},
                        (Taps){joined && taps ? 1 : taps, DW * C, CG * (int)sizeof *w});
          }
    }
  }
}
