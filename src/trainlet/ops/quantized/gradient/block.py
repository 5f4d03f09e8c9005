"""What block floating point is: mantissas, their exponent, and how both are shifted."""

from __future__ import annotations

from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import LARGEST, TensorType
from trainlet.ops.op import OPS, require, typed

LIMIT = {name: LARGEST[name] for name in ("int16", "int8")}
"""The largest mantissa; the smallest is its negative."""

EXPONENT = typed("int32")


def is_block(t: TensorType) -> bool:
    """Whether these are mantissas; an int8 activation has a scale."""
    return t.dtype in LIMIT and t.quant is None


def exponent_of(g: Node) -> Node:
    """The exponent of mantissas, through aliases."""
    while OPS[g.op].alias:
        g = g.inputs[0]
    return g.inputs[-1]


def check_block(g: TensorType, *exponents: TensorType) -> None:
    """Raise ShapeError unless g holds mantissas, and the others are exponents."""
    require(is_block(g), f"{g} holds no mantissas; allowed: int16 or int8 without a scale")
    require(all(e == EXPONENT for e in exponents), f"an exponent is int32[], not {exponents}")


def width(t: TensorType) -> int:
    """Bytes of a mantissa: how a kernel knows what it reads."""
    return np.dtype(t.dtype).itemsize


def rows(t: TensorType) -> int:
    """All but the last dimension."""
    return prod(t.shape[:-1])


def shift_round(x: np.ndarray, shift: int) -> np.ndarray:
    """x / 2^shift, rounded, halves up; int64."""
    x = x.astype(np.int64)
    return (x + (1 << (shift - 1))) >> shift if shift else x


def shift_even(x: np.ndarray, shift: int) -> np.ndarray:
    """The same with halves rounded to even. If few bits are dropped, halves are frequent, and
    rounding them up would add a bias."""
    x = x.astype(np.int64)
    return (x + ((1 << (shift - 1)) - 1) + ((x >> shift) & 1)) >> shift if shift else x


def moved(x: np.ndarray, by: int) -> np.ndarray:
    """x / 2^by in either direction; to the left by 15 bits at most."""
    return shift_even(x, min(by, 30)) if by >= 0 else x.astype(np.int64) << min(-by, 15)


def power_of_two(e: int | np.ndarray) -> np.float32:
    """2^e, clamped to the range of normal float32 numbers."""
    return np.float32(2.0 ** np.clip(int(e), -126, 127))


def mantissas(x: np.ndarray, dtype: str) -> np.ndarray:
    """Integers that fit, as mantissas."""
    assert np.abs(x).max(initial=0) <= LIMIT[dtype], "an exponent was too small"
    return x.astype(dtype)
