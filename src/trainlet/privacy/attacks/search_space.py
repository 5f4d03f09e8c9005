"""Where an attack searches: inputs whose coarse structure is found before the fine one.

Pictures, features of sound and signals have most of their power at low frequencies.  A search with
derivatives moves along each direction in proportion to its slope.  So an input is written as
x = middle + filter(z), where the filter passes a frequency f with the gain 1 / f.  Every input can
be reached.  If z is normal, x has the power spectrum of natural pictures, so the square of z is
also a prior: of all inputs that fit a message the search takes the most probable one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor

START = 0.1
"""The standard deviation of z at the start."""
SPREAD = 0.25
"""The standard deviation of an input's elements if that of z is 1, as a share of their range."""


@dataclass(frozen=True)
class SearchSpace:
    """Inputs [batch, channels, *axes] between two bounds; of fewer axes without a filter."""

    shape: Sequence[int]
    low: float
    high: float

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of space or time."""
        return tuple(range(2, len(self.shape)))

    def start(self, rng: torch.Generator) -> Tensor:
        """Random numbers z around zero, which are near the middle of the range."""
        return START * torch.randn(*self.shape, generator=rng)

    def input(self, z: Tensor) -> Tensor:
        """The input that z stands for, differentiable."""
        middle = (self.low + self.high) / 2
        if self.axes:
            sizes = [self.shape[k] for k in self.axes]
            z = torch.fft.irfftn(torch.fft.rfftn(z, dim=self.axes) * self._gains, sizes, self.axes)
        return middle + SPREAD * (self.high - self.low) * z

    @cached_property
    def _gains(self) -> Tensor:
        sizes = [self.shape[k] for k in self.axes]
        square = torch.zeros(())
        for k, size in enumerate(sizes):
            last = k == len(sizes) - 1
            f = torch.fft.rfftfreq(size) if last else torch.fft.fftfreq(size)
            square = square[..., None] + (f * size).square()
        gains = 1 / square.sqrt().clamp(min=1)
        twice = gains[..., 1 : (sizes[-1] + 1) // 2]  # a real transform leaves their mirrors out
        power = (gains.square().sum() + twice.square().sum()) / prod(sizes)
        return gains / power.sqrt()
