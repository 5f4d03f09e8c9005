"""Rescaling integers by a real factor, exactly as TensorFlow Lite's reference kernels do it.

A factor is a Q31 multiplier in [2^30, 2^31) and a shift, positive to the left.  The product is
rounded to 32 bits, and rounded again when it is shifted right, halves away from zero; only
FULLY_CONNECTED rounds once.  `kernels/reference/requantize.h` is the same in C.
"""

from __future__ import annotations

import numpy as np

from trainlet.ops.op import require

Affine = tuple[float, int]
"""Scale and zero point of a tensor: real = scale * (integer - zero point)."""


def f32(value: float) -> float:
    """The float32 nearest to a scale: what a model file stores."""
    return float(np.float32(value))


def quantize_multipliers(factors: np.ndarray) -> np.ndarray:
    """int32[2, n], multipliers above shifts; raises ShapeError for a factor that is negative or
    2^30 or more.  One below 2^-32 becomes zero."""
    worst = float(factors[np.argmax(np.where(np.isfinite(factors), abs(factors), np.inf))])
    require(bool((factors >= 0).all()) and worst < 2**30, f"cannot rescale by {worst:g}; allowed: "
            "0 to 2^30")  # fmt: skip
    fraction, shift = np.frexp(factors.astype(np.float64))
    multiplier = np.floor(fraction * 2**31 + 0.5).astype(np.int64)
    full = multiplier == 1 << 31
    multiplier, shift = np.where(full, 1 << 30, multiplier), np.where(full, shift + 1, shift)
    tiny = shift < -31
    return np.array([np.where(tiny, 0, multiplier), np.where(tiny, 0, shift)], np.int32)


def quantize_multiplier(factor: float) -> tuple[int, int]:
    """(multiplier, shift) of one factor; raises as `quantize_multipliers` does."""
    multiplier, shift = quantize_multipliers(np.array([factor]))[:, 0].tolist()
    return multiplier, shift


def requantization(s_x: float, s_w: float | np.ndarray, s_y: float) -> np.ndarray:
    """int32[2, O], multipliers above shifts: sums of x * w to y, for each output channel."""
    x, y = np.float64(np.float32(s_x)), np.float64(np.float32(s_y))
    return quantize_multipliers(x * np.atleast_1d(np.asarray(s_w, np.float32)).astype(float) / y)


def wrapped(x: np.ndarray) -> np.ndarray:
    """int64 values as a 32-bit register would hold them."""
    return x.astype(np.int32).astype(np.int64)


def high_mul(a: np.ndarray | int, b: np.ndarray | int) -> np.ndarray:
    """a * b / 2^31, rounded; int64 arrays of 32-bit values."""
    return np.asarray((np.asarray(a, np.int64) * b + (1 << 30)) >> 31)


def divide_pot(x: np.ndarray, exponent: np.ndarray | int) -> np.ndarray:
    """x / 2^exponent, rounded, halves away from zero."""
    mask = (np.int64(1) << np.asarray(exponent, np.int64)) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def rescale(x: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int) -> np.ndarray:
    """x * multiplier / 2^31 * 2^shift in 32-bit arithmetic, as int64."""
    shift = np.asarray(shift, np.int64)
    x = x.astype(np.int64)
    if (shift > 0).any():
        x = wrapped(x << np.maximum(shift, 0))
    return divide_pot(high_mul(x, multiplier), np.maximum(-shift, 0))


def rescale_once(
    x: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int
) -> np.ndarray:
    """The same product rounded once, from 64 bits, halves away from zero."""
    product = x.astype(np.int64) * multiplier
    total = 31 - np.asarray(shift, np.int64)
    return (product + (np.int64(1) << (total - 1)) - (product < 0)) >> total


def clamped(x: np.ndarray, zero_point: int, low: int, high: int) -> np.ndarray:
    """x + zero_point within low..high, as int8."""
    return np.clip(x + zero_point, low, high).astype(np.int8)
