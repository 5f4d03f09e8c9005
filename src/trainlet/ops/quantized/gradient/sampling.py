"""Inputs on which the ops on mantissas are tested: the extremes included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainlet.ir.types import TensorType
from trainlet.ops.op import typed
from trainlet.ops.quantized.gradient.block import LIMIT
from trainlet.ops.quantized.sampling import Draw


def block(dtype: str, *shape: int) -> TensorType:
    """The type of mantissas."""
    return typed(dtype, *shape)  # type: ignore[arg-type]


def draw_block(dtype: str, shape: Sequence[int], limit: int | None = None) -> Draw:
    """All mantissas up to a limit, zeros and the extremes often."""
    top = limit or LIMIT[dtype]

    def draw(rng: np.random.Generator) -> np.ndarray:
        some = rng.integers(-top, top + 1, shape)
        often = rng.choice([-top, 0, top], shape)
        return np.where(rng.random(shape) < 0.2, often, some).astype(dtype)

    return draw


def draw_exponent(e: int) -> Draw:
    """One exponent."""
    return lambda rng: np.int32(e)  # type: ignore[return-value]


def draw_scales(channels: int, k: int = -3) -> Draw:
    """What `fixed_scales` makes: Q15 factors, then the exponent that they share."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        return np.array([*rng.integers(0, 32768, channels - 1), 32767, k], np.int16)

    return draw
