"""Clips of a second at 16 kHz: through a microphone in a room, and as MLPerf Tiny's network hears
them."""

from __future__ import annotations

import numpy as np

RATE = 16000
REVERBERATION = RATE // 2
SEVERITY, NOISE_DB = 1.5, 25
FRAME, HOP, FFT, BANDS, CEPSTRA = 480, 320, 512, 40, 10


def mu_law(packed: np.ndarray) -> np.ndarray:
    """Bytes -> samples in -1..1."""
    y = packed.astype(np.float64) / 255 * 2 - 1
    return np.sign(y) * np.expm1(np.abs(y) * np.log1p(255)) / 255


def through_device(x: np.ndarray, device: int) -> np.ndarray:
    """Clips [n, 16000] through a microphone and a room that are drawn from the seed `device`."""
    rng = np.random.default_rng([77, device])
    samples = RATE + REVERBERATION
    hertz = np.fft.rfftfreq(samples, 1 / RATE)
    low, high = rng.uniform(250, 450), rng.uniform(1500, 2200)
    with np.errstate(divide="ignore"):
        band = 1 / np.sqrt(1 + (low / np.maximum(hertz, 1)) ** 6) / np.sqrt(1 + (hertz / high) ** 6)
    for _ in range(3):
        centre = rng.uniform(300, 3000)
        bump = np.exp(-(((hertz - centre) / (centre * 0.2)) ** 2))
        band = band * 10 ** (SEVERITY * rng.uniform(-15, 15) / 20 * bump)
    seconds = np.arange(REVERBERATION) / RATE
    decay = 10 ** (-3 * seconds[80:] / (rng.uniform(0.2, 0.4) * SEVERITY))
    room = np.zeros(REVERBERATION)
    room[0] = 1
    room[80:] += rng.normal(0, 0.05, REVERBERATION - 80) * decay
    loud = x / np.maximum(np.abs(x).max(1, keepdims=True), 0.02)
    heard = np.fft.irfft(np.fft.rfft(loud, samples) * band * np.fft.rfft(room, samples), samples)
    heard = heard[:, :RATE]
    pink = 1 / np.sqrt(np.maximum(np.fft.rfftfreq(RATE, 1 / RATE), 60))
    noise = np.fft.irfft(np.fft.rfft(rng.normal(size=(len(x), RATE))) * pink, RATE)
    voice, hiss = (np.sqrt((z**2).mean(1, keepdims=True)) for z in (heard, noise))
    least = np.median(voice) * 0.3
    return heard + noise / hiss * np.maximum(voice, least) * 10 ** (-NOISE_DB / 20)


def cepstra(x: np.ndarray) -> np.ndarray:
    """Clips [n, 16000] -> float32 [n, 1, 49, 10], the first cepstral coefficients of each frame."""
    x = x / np.maximum(np.abs(x).max(-1, keepdims=True), 1e-9)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
    frames = np.lib.stride_tricks.sliding_window_view(x, FRAME, axis=-1)[:, ::HOP] * window
    energy = np.log(np.abs(np.fft.rfft(frames, FFT)) @ _bands() + 1e-6)
    row, column = np.arange(BANDS)[:, None], np.arange(CEPSTRA)
    cosines = 2 * np.cos(np.pi * (2 * row + 1) * column / (2 * BANDS)) / np.sqrt(2 * BANDS)
    return (energy @ cosines)[:, None].astype(np.float32)


def _bands(low: float = 20.0, high: float = 4000.0) -> np.ndarray:
    """Triangles on the mel scale [bins, bands]."""
    mel = 1127 * np.log1p(np.arange(FFT // 2 + 1) * RATE / FFT / 700)[:, None]
    edges = np.linspace(1127 * np.log1p(low / 700), 1127 * np.log1p(high / 700), BANDS + 2)
    rising = (mel - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mel) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling))
