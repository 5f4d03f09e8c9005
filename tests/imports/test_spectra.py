"""Fourier transforms and spectrograms inside `forward`, against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainlet as tl

WINDOW = torch.hann_window(32)


def spectrogram(x: Tensor) -> Tensor:
    z = torch.stft(x, 32, 16, window=WINDOW.to(x.dtype), return_complex=True)
    return torch.log(z.abs().pow(2) + 1e-3)


def both_parts(x: Tensor) -> Tensor:
    """Without padding, with a shorter window, scaled; in each way that leads to real numbers."""
    window = torch.hamming_window(20).to(x.dtype)
    z = torch.stft(x, 32, 8, 20, window, False, normalized=True, return_complex=True) / 3.0
    z = z.reshape(len(x), 17, -1).transpose(1, 2) * window[:9].sum()
    return z.real * z.imag + torch.view_as_real(z).sum(-1) + (z * z.conj()).real


def frames(x: Tensor) -> Tensor:
    z = torch.fft.rfft(x.unfold(1, 32, 16), norm="ortho")
    return (
        z.abs()
        + torch.fft.fft(x, n=17)[:, None].abs()
        + torch.fft.rfft(x, n=200).abs()[:, 3:4, None]
    )


class Heard(nn.Module):
    """A layer before the spectrum learns, so the gradient passes it."""

    def __init__(self, front) -> None:
        super().__init__()
        self.front, self.before, self.head = front, nn.Conv1d(1, 1, 3, padding=1), nn.LazyLinear(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.front(self.before(x[:, None])[:, 0]).mean(1))


def network(front) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model, x = Heard(front).eval(), torch.randn(2, 96)
    model(x)
    return model, x


@pytest.mark.parametrize("front", [spectrogram, both_parts, frames])
def test_a_spectrum_and_its_gradient_are_torchs(front) -> None:
    model, x = network(front)
    assert tl.check(model, x, "full").same


def test_silence_has_no_gradient() -> None:
    model, x = network(lambda x: torch.fft.rfft(x.reshape(2, 3, 32)).abs())
    with torch.no_grad():
        model.before.bias.zero_()  # type: ignore[union-attr]
    assert tl.check(model, x, "full", x=torch.zeros(2, 96), y=np.array([0, 2])).same


def test_int8_keeps_the_spectrum_in_float32() -> None:
    model, x = network(spectrogram)
    shown = [torch.randn(2, 96) for _ in range(4)]
    program = tl.compile(model, x, "last", target="host", precision="int8", calibration=shown)
    with program.build("host") as trainer:
        made = np.asarray(trainer.predict(x))
    np.testing.assert_allclose(made, model(x).detach(), atol=0.05)


@pytest.mark.parametrize("made", [torch.angle, torch.fft.irfft, lambda z: torch.fft.fft(z).abs()])
def test_other_operators_of_complex_numbers_are_refused(made) -> None:
    model, x = network(lambda x: made(torch.fft.rfft(x.reshape(2, 3, 32))))
    with pytest.raises(tl.errors.UnsupportedError, match="reads a complex tensor; allowed: abs"):
        tl.compile(model, x, "last", target="host")
