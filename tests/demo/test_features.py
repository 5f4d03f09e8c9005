"""The front end: against a slow, literal reading of its definition, and on bad clips."""

import math

import numpy as np
import pytest

from trainlet.demo.features import DEVIATION, MEAN, RATE, cepstra, mfcc, one_second
from trainlet.errors import DataError


def tone(hertz: float, samples: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(samples) / RATE).astype(np.float32)


def one_frame(audio: np.ndarray, frame: int) -> list[float]:
    """The definition, in scalar loops."""
    peak = max(abs(float(x)) for x in audio)
    part = [float(x) / peak for x in audio[320 * frame : 320 * frame + 480]]
    part = [x * (0.5 - 0.5 * math.cos(2 * math.pi * n / 480)) for n, x in enumerate(part)]
    spectrum = [
        abs(sum(x * np.exp(-2j * math.pi * k * n / 512) for n, x in enumerate(part)))
        for k in range(257)
    ]

    def mel(hertz: float) -> float:
        return 2595 * math.log10(1 + hertz / 700)

    width = (mel(4000) - mel(20)) / 41
    band = []
    for b in range(40):
        centre = mel(20) + (b + 1) * width
        weights = [max(0, 1 - abs(mel(k * 31.25) - centre) / width) for k in range(257)]
        band.append(math.log(sum(w * s for w, s in zip(weights, spectrum, strict=True)) + 1e-6))
    return [
        sum(2 * v * math.cos(math.pi * c * (2 * b + 1) / 80) for b, v in enumerate(band)) / 80**0.5
        for c in range(10)
    ]


def test_a_frame_follows_the_definition():
    audio = tone(700) + 0.3 * tone(1900) + 0.01 * np.random.default_rng(0).normal(size=RATE)
    np.testing.assert_allclose(cepstra(audio)[3], one_frame(audio, 3), atol=1e-3)


def test_shape_type_and_standardisation():
    audio = tone(440)
    features = mfcc(audio)
    assert features.shape == (49, 10) and features.dtype == np.float32
    np.testing.assert_allclose(features * DEVIATION + MEAN, cepstra(audio), atol=1e-4)


def test_volume_does_not_matter():
    noise = np.random.default_rng(0).normal(size=RATE)
    np.testing.assert_allclose(mfcc(noise), mfcc(0.01 * noise), atol=1e-5)


@pytest.mark.parametrize("samples", [1, 480, RATE - 1, RATE, RATE + 1, 3 * RATE])
def test_silence_of_any_length_is_finite(samples):
    features = cepstra(np.zeros(samples, np.float32))
    assert np.isfinite(features).all()
    np.testing.assert_allclose(features[:, 0], 40 * math.log(1e-6) * 2 / 80**0.5, rtol=1e-5)


def test_short_is_padded_and_long_is_cropped_around_the_centre():
    assert one_second(np.ones(1000)).nonzero()[0].tolist() == list(range(7500, 8500))
    assert one_second(np.arange(RATE + 10))[0] == 5


@pytest.mark.parametrize(
    "audio, why",
    [
        (np.zeros(0), "non-empty"),
        (np.zeros((2, RATE)), r"\(2, 16000\)"),
        (np.array([0.0, np.nan]), "1 NaN"),
        (np.array([np.inf, np.nan, 1.0]), "2 NaN or infinite"),
    ],
)
def test_bad_clips_are_refused(audio, why):
    with pytest.raises(DataError, match=why):
        mfcc(audio)
