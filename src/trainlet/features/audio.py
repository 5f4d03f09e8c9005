"""Log-mel and cepstral features of sound."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from trainlet.features.numbers import Levels, levels, require

FULL_SCALE = 1 << 15
"""What int16 samples are divided by: they are between -1 and 1 then, as samples of float32 are."""
SILENT = 1e-9
"""The least peak that a clip is divided by; digital silence stays silence."""


class LogMel(nn.Module):
    """Samples [n,samples], int16 or float32 between -1 and 1, -> ln of mel bands
    [n,1,frames,bands]; frames = 1 + (samples - fft) // hop.  Made by `log_mel`.
    """

    def __init__(self, window: np.ndarray, hop: int, bank: np.ndarray, floor: float, peak: bool):
        super().__init__()
        self.fft, self.hop, self.floor, self.peak = len(window), hop, floor, peak
        self.window: Tensor
        self.bank: Tensor
        self.register_buffer("window", torch.tensor(window, dtype=torch.float32))
        self.register_buffer("bank", torch.tensor(bank, dtype=torch.float32))

    def forward(self, samples: Tensor) -> Tensor:
        """The natural logarithm of each band's magnitude."""
        return self.bands(samples)[:, None]

    def bands(self, samples: Tensor) -> Tensor:
        """[n,frames,bands].  A peak divides the bands, not the samples: it is the same, and less
        work."""
        whole = samples.dtype == torch.int16
        x = samples.to(torch.float32)
        window = self.window / FULL_SCALE if whole and not self.peak else self.window
        spectrum = torch.stft(
            x, self.fft, self.hop, self.fft, window, center=False, return_complex=True
        )
        mel = nn.functional.linear(spectrum.abs().transpose(1, 2), self.bank)
        if self.peak:
            loudest = x.abs().amax(1).clamp(min=1.0 if whole else SILENT)
            mel = mel / loudest[:, None, None]
        return torch.log(mel + self.floor)


class Mfcc(nn.Module):
    """Samples [n,samples] -> cepstral coefficients [n,1,frames,coefficients].  Made by `mfcc`."""

    def __init__(self, mel: LogMel, matrix: np.ndarray, offset: np.ndarray):
        super().__init__()
        self.mel = mel
        self.matrix: Tensor
        self.offset: Tensor
        self.register_buffer("matrix", torch.tensor(matrix, dtype=torch.float32))
        self.register_buffer("offset", torch.tensor(offset, dtype=torch.float32))

    def forward(self, samples: Tensor) -> Tensor:
        """The first coefficients of the cosine transform of the log-mel bands, standardised."""
        cepstra = nn.functional.linear(self.mel.bands(samples), self.matrix, self.offset)
        return cepstra[:, None]


def log_mel(
    *,
    rate: int = 16_000,
    frame: int = 480,
    hop: int = 320,
    fft: int = 512,
    bands: int = 40,
    low: float = 20.0,
    high: float = 4000.0,
    floor: float = 1e-6,
    peak: bool = True,
) -> LogMel:
    """ln of mel bands; by default those of MLPerf Tiny's keyword spotting.

    rate: samples a second.  frame, hop: samples of a Hann window (periodic), and from the beginning
    of one to the next.  fft: size of the transform, a power of two from `frame` to 32768; zeros
    follow the window.
    bands: triangles between `low` and `high` hertz, equally wide on the mel scale 1127 ln(1 + f /
    700) (O'Shaughnessy, 1987; that of HTK), of height 1, applied to magnitudes.
    floor: is added before the logarithm.
    peak: whether a clip is first divided by its largest magnitude.

    Raises DataError for numbers that do not fit.
    """
    require(fft >= 4 and fft & (fft - 1) == 0, "fft", fft, "a power of two, at least 4")
    require(0 < frame <= fft, "frame", frame, f"1..{fft}, the size of the transform")
    require(hop > 0, "hop", hop, "a positive number of samples")
    require(bands > 0, "bands", bands, "a positive number")
    require(0 <= low < high <= rate / 2, "low, high", (low, high), f"0 <= low < high <= {rate / 2}")
    require(floor > 0, "floor", floor, "a positive number")
    window = np.zeros(fft)
    window[:frame] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame)
    return LogMel(window, hop, mel_triangles(rate, fft, bands, low, high), floor, peak)


def mfcc(
    coefficients: int = 10,
    *,
    mel: LogMel | None = None,
    mean: Levels = 0.0,
    deviation: Levels = 1.0,
) -> Mfcc:
    """The first cepstral coefficients: 2 / sqrt(2 bands) times the DCT-II of log-mel bands, as in
    MLPerf Tiny.

    mel: what `log_mel` makes; None for its default.
    mean, deviation: of all coefficients or of each, to standardise them.

    Raises DataError for numbers that do not fit.
    """
    front = log_mel() if mel is None else mel
    bands = front.bank.shape[0]
    require(0 < coefficients <= bands, "coefficients", coefficients, f"1..{bands}")
    places = np.arange(bands) + 0.5
    cosines = np.cos(np.pi * np.arange(coefficients)[:, None] * places / bands)
    matrix = 2.0 * cosines / np.sqrt(2.0 * bands)
    centre = levels("mean", mean, coefficients)
    width = levels("deviation", deviation, coefficients, positive=True)
    return Mfcc(front, matrix / width[:, None], -centre / width)


def mel_triangles(rate: int, fft: int, bands: int, low: float, high: float) -> np.ndarray:
    """Weights [bands,fft/2 + 1] of triangles that are equally wide, and straight, in mel."""

    def mel(hertz: np.ndarray | float) -> np.ndarray:
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    corners = np.linspace(mel(low), mel(high), bands + 2)
    bins = mel(np.arange(fft // 2 + 1) * rate / fft)[:, None]
    rise = (bins - corners[:-2]) / (corners[1:-1] - corners[:-2])
    fall = (corners[2:] - bins) / (corners[2:] - corners[1:-1])
    return np.maximum(0.0, np.minimum(rise, fall)).T
