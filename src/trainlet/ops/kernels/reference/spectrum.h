/* The magnitudes of the spectrum of one window of a signal. */
#ifndef TRAINLET_SPECTRUM_H
#define TRAINLET_SPECTRUM_H
#include "sqrt.h"

/* a and b become a + w b and a - w b. */
#define BUTTERFLY_F32(ar, ai, br, bi, wr, wi)                            \
  do {                                                                   \
    const float tr = wr * br - wi * bi, ti = wr * bi + wi * br;          \
    br = ar - tr;                                                        \
    bi = ai - ti;                                                        \
    ar += tr;                                                            \
    ai += ti;                                                            \
  } while (0)

/* In place, the Fourier transform of m complex numbers in the order of reversed bits: radix 2,
 * decimation in time, two stages at a time.  w[m+1] are the turns of 2 m: cosine and negative sine
 * of k / 2m. */
static inline void fourier_f32(float *restrict z, const float *w, int m) {
  int half = 1;
  for (int k = m; k > 1; k /= 4)
    if (k == 2) half = 2; /* an odd number of stages: the first one alone */
  for (int k = 0; half == 2 && k < m; k += 2)
    BUTTERFLY_F32(z[2 * k], z[2 * k + 1], z[2 * k + 2], z[2 * k + 3], w[0], w[1]);
  for (; half < m; half *= 4) {
    const int step = m / half;
    for (int j = 0; j < half; j++) {
      const float *first = w + 2 * j * step, *second = w + j * step, *third = second + m;
      const float ur = first[0], ui = first[1], vr = second[0], vi = second[1];
      const float xr = third[0], xi = third[1];
      for (int k = j; k < m; k += 4 * half) {
        float *a = z + 2 * k, *b = a + 2 * half, *c = b + 2 * half, *d = c + 2 * half;
        float ar = a[0], ai = a[1], br = b[0], bi = b[1];
        float cr = c[0], ci = c[1], dr = d[0], di = d[1];
        BUTTERFLY_F32(ar, ai, br, bi, ur, ui);
        BUTTERFLY_F32(cr, ci, dr, di, ur, ui);
        BUTTERFLY_F32(ar, ai, cr, ci, vr, vi);
        BUTTERFLY_F32(br, bi, dr, di, xr, xi);
        a[0] = ar, a[1] = ai, b[0] = br, b[1] = bi;
        c[0] = cr, c[1] = ci, d[0] = dr, d[1] = di;
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
/* The pairs of samples of one window in the order of reversed bits, and zeros behind it. */
#define WINDOW_F32(z, s, window, size, fft)                                            \
  for (int k = 0, r = 0; k < (fft); k += 2, r = next_reversed(r, (fft) / 2)) {         \
    float *pair = (z) + 2 * r;                                                         \
    pair[0] = k < (size) ? (float)(s)[k] * (window)[k] : 0.0f;                         \
    pair[1] = k + 1 < (size) ? (float)(s)[k + 1] * (window)[k + 1] : 0.0f;             \
  }
#endif
