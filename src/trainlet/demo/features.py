"""The front end of the demo: one second of sound -> 49 frames of 10 cepstral coefficients.

It is the front end of the MLPerf Tiny keyword benchmark, followed by a fixed standardisation:

    peak -> 1 | 30 ms Hann frames every 20 ms | |rfft 512| | 40 mel triangles | ln | DCT-II[:10]
"""

import numpy as np

from trainlet.errors import DataError
from trainlet.features.audio import mel_triangles

RATE = 16_000
FRAMES, COEFFICIENTS = 49, 10
_FRAME, _STEP, _FFT, _BANDS = 480, 320, 512, 40
_LOWEST_HZ, _HIGHEST_HZ = 20.0, 4000.0

# Mean and standard deviation of each coefficient over the bundled pretraining clips, rounded. They
# are constants of the front end and are not refitted to anyone's recordings.
MEAN = np.array([-14, 0, 0, -1, 0, 0, 0, 0, 0, 0], np.float32)
DEVIATION = np.array([20, 3.5, 2, 2, 1.5, 1.3, 1.1, 1, 0.9, 0.8], np.float32)


def mfcc(audio: np.ndarray) -> np.ndarray:
    """Standardised features [49, 10] of a clip [samples] at 16 kHz, of about unit variance."""
    return (cepstra(audio) - MEAN) / DEVIATION


def cepstra(audio: np.ndarray) -> np.ndarray:
    """The features before standardisation: what MLPerf Tiny quantises to its int8 stimuli."""
    clip = one_second(audio)
    clip = clip / (np.abs(clip).max() or 1.0)
    starts = _STEP * np.arange(FRAMES)[:, None]
    frames = clip[starts + np.arange(_FRAME)] * _WINDOW
    spectrum = np.abs(np.fft.rfft(frames, _FFT))
    return (np.log(spectrum @ _MEL + 1e-6) @ _DCT).astype(np.float32)


def one_second(audio: np.ndarray) -> np.ndarray:
    """The clip in float64, zero-padded at both ends or cropped around its centre to 1 s."""
    clip = np.asarray(audio, np.float64)
    if clip.ndim != 1 or clip.size == 0:
        raise DataError(f"a clip has shape {clip.shape}; allowed: a non-empty vector of samples")
    if not np.isfinite(clip).all():
        bad = np.count_nonzero(~np.isfinite(clip))
        raise DataError(f"a clip holds {bad} NaN or infinite samples; all must be finite")
    if clip.size > RATE:
        return clip[(clip.size - RATE) // 2 :][:RATE]
    before = (RATE - clip.size) // 2
    return np.pad(clip, (before, RATE - clip.size - before))


def _dct() -> np.ndarray:
    """DCT-II [40, 10] with the scale of MLPerf Tiny, 2 cos(.) / sqrt(80)."""
    angle = np.pi * (np.arange(_BANDS)[:, None] + 0.5) * np.arange(COEFFICIENTS) / _BANDS
    return 2.0 * np.cos(angle) / np.sqrt(2.0 * _BANDS)


_WINDOW = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(_FRAME) / _FRAME)
_MEL = np.ascontiguousarray(mel_triangles(RATE, _FFT, _BANDS, _LOWEST_HZ, _HIGHEST_HZ).T)
_DCT = _dct()
