#include "bands.h"
#include "kernel.h"
#include "spectrum.h"
/* y[N,frames,M]: sums over bands of the spectra of the windows of x[N,S]; work: fft + bins floats */
KERNEL void k_banded_spectrogram_i16(float *restrict y, const int16_t *x, const float *window, const float *w,
                  const float *taps, const int32_t *spans, uint8_t *work, int N, int S, int size,
                  int fft, int hop, int frames, int bins, int M) {
  float *z = (float *)(void *)work, *row = z + fft;
  for (int n = 0; n < N; n++, x += S)
    for (int f = 0; f < frames; f++, y += M) {
      WINDOW_F32(z, x + f * hop, window, size, fft)
      magnitudes_f32(row, z, w, fft, bins);
      bands_f32(y, row, taps, spans, M);
    }
}
