"""Where an attack searches: inputs whose probable directions are found before the others.

A search with derivatives moves along each direction in proportion to its slope.  So an input is
written as x = middle + filter(z), where the filter amplifies what inputs usually contain.  Every
input can be reached.  If z is normal, x is distributed like the attacker's idea of the data, so the
square of z is also a prior: of all inputs that fit a message the search takes the most probable
one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

START = 0.1
"""The standard deviation of z at the start."""
SPREAD = 0.25
"""The standard deviation of an element whose distribution is not known, as a share of the range."""
SHRUNK = 0.02
"""The share of the mean variance that is assumed along directions which public examples lack."""


@dataclass(frozen=True)
class SearchSpace:
    """Inputs of a shape, written as numbers z of the same shape.

    middle: the input of z = 0; filter: linear, of z
    """

    shape: tuple[int, ...]
    middle: Tensor
    filter: Callable[[Tensor], Tensor]

    def start(self, rng: torch.Generator) -> Tensor:
        """Random numbers z near zero."""
        return START * torch.randn(*self.shape, generator=rng)

    def input(self, z: Tensor) -> Tensor:
        """The input that z stands for, differentiable."""
        return self.middle + self.filter(z)


def axes_of(shape: Sequence[int]) -> tuple[int, ...]:
    """The axes of space or time of inputs [batch, channels, ...], or [batch, ..., channels] where
    these are 1 or 3 and the others are not."""
    last = len(shape) > 3 and shape[-1] in (1, 3) and shape[1] not in (1, 3)
    return tuple(range(1, len(shape) - 1)) if last else tuple(range(2, len(shape)))


def natural(shape: tuple[int, ...], low: float, high: float) -> SearchSpace:
    """Of an attacker who knows the range of the data alone: a frequency f of space or time has the
    amplitude 1 / f, as in natural pictures."""
    middle, spread, axes = (
        torch.full(shape, (low + high) / 2),
        SPREAD * (high - low),
        axes_of(shape),
    )
    if not axes:
        return SearchSpace(shape, middle, lambda z: spread * z)
    sizes = [shape[k] for k in axes]
    gains = spread * _gains(sizes)
    if axes[-1] < len(shape) - 1:
        gains = gains[..., None]  # the channels are last

    def filtered(z: Tensor) -> Tensor:
        return torch.fft.irfftn(torch.fft.rfftn(z, dim=axes) * gains, sizes, axes)

    return SearchSpace(shape, middle, filtered)


def _gains(sizes: Sequence[int]) -> Tensor:
    """1 / f for each frequency of a real transform, such that elements have the variance 1."""
    square = torch.zeros(())
    for k, size in enumerate(sizes):
        f = torch.fft.rfftfreq(size) if k == len(sizes) - 1 else torch.fft.fftfreq(size)
        square = square[..., None] + (f * size).square()
    gains = 1 / square.sqrt().clamp(min=1)
    mirrored = gains[..., 1 : (sizes[-1] + 1) // 2]  # what a real transform leaves out
    power = (gains.square().sum() + mirrored.square().sum()) / prod(sizes)
    return gains / power.sqrt()


def learned(shape: tuple[int, ...], public: NDArray) -> SearchSpace:
    """Of an attacker who has other examples [examples, ...] of the same kind: their mean and their
    covariance, shrunk a little towards independent elements."""
    flat = torch.from_numpy(np.asarray(public, np.float32).reshape(len(public), -1))
    mean = flat.mean(0)
    _, s, v = torch.linalg.svd(flat - mean, full_matrices=False)
    variance = s.square() / len(flat)
    rest = SHRUNK * float(variance.sum()) / flat.shape[1]
    extra = ((1 - SHRUNK) * variance + rest).sqrt() - rest**0.5

    def filtered(z: Tensor) -> Tensor:
        rows = z.reshape(shape[0], -1)
        return (rest**0.5 * rows + (rows @ v.T * extra) @ v).reshape(shape)

    return SearchSpace(shape, mean.reshape(1, *shape[1:]).expand(shape).clone(), filtered)
