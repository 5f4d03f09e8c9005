"""Random changes of examples that leave their class: DiffAugment's (Zhao et al., 2020)."""

from __future__ import annotations

import torch

PROBABILITY = 0.9
SHIFT = 0.125
"""Share of an axis by which examples are moved at most."""


def augment(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A changed copy of examples x [n, ..], each with its own changes, or x itself.

    With probability .9 the brightness, the contrast and of three-channel images the saturation
    change, and with probability .9 the examples are moved along their last axis or, of
    [n, channels, height, width], along their last two.  What is moved in is 0.
    """
    if _uniform(1, x, generator)[0] < PROBABILITY:
        x = _colour(x, generator)
    if _uniform(1, x, generator)[0] < PROBABILITY:
        for axis in range(x.dim() - (2 if x.dim() == 4 else 1), x.dim()):
            x = _move(x, axis, generator)
    return x


def _uniform(n: int, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(n, generator=generator).to(x)


def _colour(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    each = (-1, *[1] * (x.dim() - 1))
    own = tuple(range(1, x.dim()))
    spread = x.std(own, keepdim=True)
    x = x + (_uniform(len(x), x, generator) - 0.5).reshape(each) * spread
    if x.dim() == 4 and x.shape[1] == 3:
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey) * 2 * _uniform(len(x), x, generator).reshape(each)
    middle = x.mean(own, keepdim=True)
    return middle + (x - middle) * (_uniform(len(x), x, generator) + 0.5).reshape(each)


def _move(x: torch.Tensor, axis: int, generator: torch.Generator) -> torch.Tensor:
    size = x.shape[axis]
    most = int(size * SHIFT + 0.5)
    steps = torch.randint(-most, most + 1, (len(x),), generator=generator).to(x.device)
    shape = [1] * x.dim()
    shape[axis] = size
    source = torch.arange(size, device=x.device).reshape(shape)
    source = source - steps.reshape(-1, *[1] * (x.dim() - 1))
    inside = (source >= 0) & (source < size)
    index = source.clamp(0, size - 1).expand(x.shape)
    return x.gather(axis, index) * inside
