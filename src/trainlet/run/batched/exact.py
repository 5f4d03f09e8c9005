"""Integer sums by float products: which float holds every partial sum exactly."""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.run.batched.lead import prepared

FLOAT32_INTEGERS = 1 << 24
HIGHEST_WEIGHT = 128


def farthest(zero: int) -> int:
    """The largest abs(x - zero) of an int8 x."""
    return max(127 - zero, 128 + zero)


def float_for(bound: int) -> torch.dtype:
    """The smallest float type that adds integers up to `bound` without rounding."""
    return torch.float32 if bound <= FLOAT32_INTEGERS else torch.float64


def layer_float(w: Tensor, zero: int, terms: int, axes: tuple[int, ...]) -> torch.dtype:
    """Of a layer's sums of products x - zero times w [lead, ...]; `axes` are summed over.

    A shared weight, looked at once, tells a smaller bound than its shape does.
    """
    if w.shape[0] > 1 or terms * HIGHEST_WEIGHT * farthest(zero) <= FLOAT32_INTEGERS:
        return float_for(terms * HIGHEST_WEIGHT * farthest(zero))
    gain = prepared(w, ("gain", axes), lambda w: int(w.long().abs().sum(axes).max()))
    return float_for(gain * farthest(zero))
