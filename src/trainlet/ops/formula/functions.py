"""The functions that a formula may call; some of them are composed of others."""

from __future__ import annotations

from collections.abc import Callable
from math import erf
from types import SimpleNamespace
from typing import Any

import numpy as np

Value = Any
"""What a formula computes with: an array, a tensor, or a term of a C function."""

_SINE = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COSINE = (2.4433157118e-5, -1.3887316255e-3, 4.1666645683e-2)
_EXPM1 = (2.48015873e-5, 1.98412698e-4, 1.38888889e-3, 8.33333333e-3, 4.16666667e-2, 1.66666667e-1,
          0.5)  # fmt: skip
_ATAN = (8.05374449538e-2, -1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1)
_ASIN = (4.2163199048e-2, 2.4181311049e-2, 4.5470025998e-2, 7.4953002686e-2, 1.6666752422e-1)
QUARTER = (1.5703125, 4.837512969970703e-4, 7.549789948768648e-8)
"""Half of pi in three parts: a whole number below 2^13 times the first two has no rounding."""

LARGEST_ANGLE = 1e5
"""Of which the remainder of a turn still has the bits that a float32 result needs."""


class Functions:
    """C's and torch's: the same operations in the same order, so the same bits."""

    where: Callable[[Value, Value, Value], Value]
    equal: Callable[[Value, Value], Value]
    exp: Callable[[Value], Value]
    log: Callable[[Value], Value]
    sqrt: Callable[[Value], Value]
    floor: Callable[[Value], Value]
    sigmoid: Callable[[Value], Value]
    normal_cdf: Callable[[Value], Value]

    def abs(self, x: Value) -> Value:
        return self.where(x < 0, -x, x)

    def expm1(self, x: Value) -> Value:
        """exp(x) - 1, near zero by the Taylor series to the eighth power."""
        near = x + x * x * _polynomial(x, _EXPM1)
        return self.where(self.abs(x) < 0.5, near, self.exp(x) - 1)

    def log1p(self, x: Value) -> Value:
        """log(1 + x); the last factor makes good what rounding 1 + x lost (Kahan)."""
        y = 1 + x
        moved = self.log(y) * (x / (y - 1))
        return self.where(self.equal(y, 1), x, self.where(y > 3e38, self.log(y), moved))

    def sin(self, x: Value) -> Value:
        return self._quadrant(x, 0)

    def cos(self, x: Value) -> Value:
        return self._quadrant(x, 1)

    def atan(self, x: Value) -> Value:
        """By a polynomial (Cephes) within an eighth turn, to which greater ones are turned back."""
        a = self.abs(x)
        far, middle = a > 2.41421356, a > 0.414213562
        start = self.where(far, 1.57079633, self.where(middle, 0.785398163, 0.0))
        r = self.where(far, -1 / a, self.where(middle, (a - 1) / (a + 1), a))
        z = r * r
        angle = start + (r + r * z * _polynomial(z, _ATAN))
        return self.where(x < 0, -angle, angle)

    def asin(self, x: Value) -> Value:
        """By a polynomial (Cephes) up to a half, beyond it by half the angle of 1 - |x|."""
        a = self.abs(x)
        near = self._asin_to_half(self.where(a > 0.5, self.sqrt(0.5 * (1 - a)), a))
        angle = self.where(a > 0.5, 1.57079633 - 2 * near, near)
        return self.where(x < 0, -angle, angle)

    def acos(self, x: Value) -> Value:
        """Of numbers near one without the difference of two that are nearly equal."""
        a = self.abs(x)
        near = self._asin_to_half(self.where(a > 0.5, self.sqrt(0.5 * (1 - a)), x))
        beyond = self.where(x < 0, 3.14159265 - 2 * near, 2 * near)
        return self.where(a > 0.5, beyond, 1.57079633 - near)

    def _asin_to_half(self, r: Value) -> Value:
        z = r * r
        return r + r * z * _polynomial(z, _ASIN)

    def _quadrant(self, x: Value, ahead: int) -> Value:
        """The sine of x + ahead quarter turns, by polynomials (Cephes) within an eighth turn; of
        an angle beyond LARGEST_ANGLE it is no number."""
        turns = self.floor(x * 0.636619772 + 0.5)
        r = x
        for part in QUARTER:
            r = r - turns * part
        z = r * r
        sine = r + r * z * _polynomial(z, _SINE)
        cosine = 1 - 0.5 * z + z * z * _polynomial(z, _COSINE)
        which = turns + ahead
        which = which - 4 * self.floor(which * 0.25)
        odd = self.equal(which, 1) | self.equal(which, 3)
        value = self.where(odd, cosine, sine)
        signed = self.where(which > 1.5, -value, value)
        return self.where(self.abs(x) <= LARGEST_ANGLE, signed, (x - x) / (x - x))


def _polynomial(x: Value, coefficients: tuple[float, ...]) -> Value:
    """By Horner's rule, the highest power first."""
    total: Value = coefficients[0]
    for c in coefficients[1:]:
        total = total * x + c
    return total


_erf = np.vectorize(erf, otypes=[np.float64])


def _sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def _normal_cdf(x: np.ndarray) -> np.ndarray:
    return (0.5 * (1 + _erf(np.float64(x) / np.sqrt(2.0)))).astype(np.asarray(x).dtype)


def _of_angle(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.where(np.abs(x) <= LARGEST_ANGLE, function(x), np.nan)


NUMPY = SimpleNamespace(
    where=np.where,
    equal=np.equal,
    abs=np.abs,
    exp=np.exp,
    expm1=np.expm1,
    log=np.log,
    log1p=np.log1p,
    sqrt=np.sqrt,
    floor=np.floor,
    sin=_of_angle(np.sin),
    cos=_of_angle(np.cos),
    atan=np.arctan,
    asin=np.arcsin,
    acos=np.arccos,
    sigmoid=_sigmoid,
    normal_cdf=_normal_cdf,
)
"""The oracle's: NumPy's own, against which the kernels' are compared."""
