#include "kernel.h"
#include "spectrum.h"
/* y[N,frames,bins] of x[N,S]; work: fft floats */
KERNEL void k_spectrogram(float *restrict y, const float *x, const float *window, const float *w,
                     uint8_t *work, int N, int S, int size, int fft, int hop, int frames,
                     int bins) {
  float *z = (float *)(void *)work;
  for (int n = 0; n < N; n++, x += S)
    for (int f = 0; f < frames; f++, y += bins) {
      WINDOW_F32(z, x + f * hop, window, size, fft)
      magnitudes_f32(y, z, w, fft, bins);
    }
}
