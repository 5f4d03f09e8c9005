#include "kernel.h"
#include "spectrum.h"
/* y[N,frames,bins] of x[N,S]; z[fft]: work space */
KERNEL void k_spectrogram_i16(float *restrict y, const int16_t *x, const float *window, const float *w,
                 uint8_t *work, int N, int S, int size, int fft, int hop, int frames, int bins) {
  float *z = (float *)(void *)work;
  for (int n = 0; n < N; n++, x += S)
    for (int f = 0; f < frames; f++, y += bins) {
      const int16_t *s = x + f * hop;
      for (int k = 0, r = 0; k < fft; k += 2, r = next_reversed(r, fft / 2)) {
        z[2 * r] = k < size ? (float)s[k] * window[k] : 0.0f;
        z[2 * r + 1] = k + 1 < size ? (float)s[k + 1] * window[k + 1] : 0.0f;
      }
      magnitudes_f32(y, z, w, fft, bins);
    }
}
