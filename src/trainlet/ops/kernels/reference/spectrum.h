/* The magnitudes of the spectrum of one window of a signal. */
#ifndef TRAINLET_SPECTRUM_H
#define TRAINLET_SPECTRUM_H
#include "sqrt.h"

/* In place, the Fourier transform of m complex numbers in the order of reversed bits: radix 2,
 * decimation in time.  w[m+1] are the turns of 2 m: cosine and negative sine of k / 2m. */
static inline void fourier_f32(float *restrict z, const float *w, int m) {
  for (int half = 1; half < m; half *= 2) {
    const int step = m / half * 2;
    for (int j = 0; j < half; j++) {
      const float wr = w[j * step], wi = w[j * step + 1];
      for (int k = j; k < m; k += 2 * half) {
        float *a = z + 2 * k, *b = a + 2 * half;
        const float tr = wr * b[0] - wi * b[1], ti = wr * b[1] + wi * b[0];
        b[0] = a[0] - tr;
        b[1] = a[1] - ti;
        a[0] += tr;
        a[1] += ti;
      }
    }
  }
}

/* The next number below m, a power of two, in the order of reversed bits. */
static inline int next_reversed(int r, int m) {
  int bit = m / 2;
  for (; r & bit; bit /= 2) r ^= bit;
  return r | bit;
}

/* y[bins] of z[fft], whose pairs of samples are complex numbers in the order of reversed bits: a
 * transform of half the size, of which the even and the odd samples' spectra follow. */
static inline void magnitudes_f32(float *restrict y, float *restrict z, const float *w, int fft,
                                  int bins) {
  const int m = fft / 2;
  fourier_f32(z, w, m);
  for (int k = 0; k < bins; k++) {
    const float *a = z + 2 * (k & (m - 1)), *c = z + 2 * ((m - k) & (m - 1));
    const float er = 0.5f * (a[0] + c[0]), ei = 0.5f * (a[1] - c[1]);
    const float pr = 0.5f * (a[1] + c[1]), pi = 0.5f * (c[0] - a[0]);
    const float wr = w[2 * k], wi = w[2 * k + 1];
    const float re = er + (wr * pr - wi * pi), im = ei + (wr * pi + wi * pr);
    y[k] = sqrt_f32(re * re + im * im);
  }
}
#endif
