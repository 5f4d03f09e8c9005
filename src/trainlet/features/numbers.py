"""Checks of the numbers that describe a front end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainlet.errors import DataError, shown

Levels = float | Sequence[float] | np.ndarray
"""One number, or one for each channel or coefficient."""


def levels(name: str, value: Levels, count: int, positive: bool = False) -> np.ndarray:
    """float64 [count]; raises DataError."""
    array = np.asarray(value, np.float64)
    good = array.shape in ((), (count,)) and bool(np.isfinite(array).all())
    good = good and not (positive and (array <= 0).any())
    kind = "a positive number" if positive else "a finite number"
    require(good, name, value, f"{kind}, or {count} of them")
    return np.broadcast_to(array, (count,))


def require(good: bool, name: str, found: object, allowed: str) -> None:
    """Raise DataError unless `good`."""
    if not good:
        raise DataError(f"{name} is {shown(found)}; allowed: {allowed}")
