"""exp, the logistic function and tanh of 16-bit fixed-point numbers, in TensorFlow Lite's bits.

`kernels/reference/fixed_i16.h` is the same in C; int32 arrays hold the 16-bit values.
"""

from __future__ import annotations

import numpy as np

_FACTORS = (25520, 19875, 12055, 4435, 600, 11)
"""exp of -1/4, -1/2, -1, -2, -4 and -8."""
ONE = 32767


def wrap(x: np.ndarray) -> np.ndarray:
    """As a 16-bit register would hold it."""
    return x.astype(np.int16).astype(np.int32)


def saturate(x: np.ndarray) -> np.ndarray:
    """Within 16 bits."""
    return np.clip(x, -ONE - 1, ONE)


def _high_mul(a: np.ndarray, b: np.ndarray | int) -> np.ndarray:
    product = a.astype(np.int64) * b
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.minimum(np.sign(nudged) * (np.abs(nudged) >> 15), ONE).astype(np.int32)


def divide_pot(x: np.ndarray, exponent: int) -> np.ndarray:
    """x / 2^exponent, rounded, halves away from zero."""
    mask = (1 << exponent) - 1
    return wrap((x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0)))


def _exp_quarter(a: np.ndarray) -> np.ndarray:
    x = wrap(a + 4096)
    x2 = _high_mul(x, x)
    x3, x4 = _high_mul(x2, x), divide_pot(_high_mul(x2, x2), 2)
    series = divide_pot(wrap(_high_mul(wrap(x4 + x3), 10923) + x2), 1)
    return saturate(28918 + _high_mul(wrap(x + series), 28918))


def _exp(a: np.ndarray, bits: int) -> np.ndarray:
    quarter = 1 << (13 - bits)
    part = (a & (quarter - 1)) - quarter
    y, rest = _exp_quarter(saturate(part << bits)), part - a
    for k in range(bits + 2):
        y = np.where(rest & (quarter << k), _high_mul(y, _FACTORS[k]), y)
    return np.where(a == 0, ONE, y)


def _inverse(a: np.ndarray) -> np.ndarray:
    half = (a + ONE + 1) // 2
    x = wrap(23130 + _high_mul(half, -15420))
    for _ in range(3):
        error = wrap(8192 - _high_mul(half, x))
        x = wrap(x + saturate(_high_mul(x, error) << 2))
    return x


def sigmoid(a: np.ndarray) -> np.ndarray:
    """Of int16 with three integer bits; the result has none."""
    a = a.astype(np.int32)
    size = np.where(a > 0, a, wrap(-a))
    y = saturate(_inverse(_exp(wrap(-size), 3)) << 1)
    return np.where(a == 0, 16384, np.where(a > 0, y, wrap(ONE - y))).astype(np.int16)


def tanh(a: np.ndarray) -> np.ndarray:
    """Of int16 with three integer bits; the result has none."""
    a = a.astype(np.int32)
    y = saturate(wrap(_inverse(_exp(np.where(a < 0, a, wrap(-a)), 4)) - 8192) << 2)
    return np.where(a == 0, 0, np.where(a < 0, wrap(-y), y)).astype(np.int16)
