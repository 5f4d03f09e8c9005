#include "bytes_f32.h"
#include "conv2d_dw_f32.h"
#include "conv2d_i8_dw.h"
#include "kernel.h"
/* as the reference kernel; four channels or more 16 sums at a time */
KERNEL ONE_COPY void k_conv2d_i8_dw(CONV2D_I8_DW_PARAMETERS) {
  if (C / G < 4) {
    conv2d_i8_dw(CONV2D_I8_DW_ARGUMENTS);
    return;
  }
  conv2d_dw(columns_by_bytes, dw, g, x, N, H, W, C, OH, OW, O, KH, KW, SH, SW, PT, PL, DH, DW, G,
            Z, (int)sizeof *x);
  for (int k = 0; k < O * KH * KW * (C / G); k++) dw[k] *= S;
}
