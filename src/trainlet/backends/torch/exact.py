"""Integer sums by float products: which float holds every partial sum exactly."""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.backends.torch.eager import is_eager, prepared

FLOAT32_INTEGERS = 1 << 24
HIGHEST_WEIGHT = 128


def farthest(zero: int) -> int:
    """The largest abs(x - zero) of an int8 x."""
    return max(127 - zero, 128 + zero)


def float_for(bound: int) -> torch.dtype:
    """The smallest float type that adds integers up to `bound` without rounding."""
    return torch.float32 if bound <= FLOAT32_INTEGERS else torch.float64


def layer_bound(w: Tensor, zero: int, terms: int, axes: tuple[int, ...]) -> int:
    """Of a layer's sums of `terms` products of x - zero and w [E, ...]; `axes` are summed over.

    A shared weight, looked at once, tells a smaller bound than its shape does.
    """
    if w.shape[0] > 1 or not is_eager():
        return terms * HIGHEST_WEIGHT * farthest(zero)
    gain = prepared(w, ("gain", axes), lambda w: int(w.long().abs().sum(axes).max()))
    return gain * farthest(zero)
