"""Checks of the plain arguments of public functions: each raises an error that names the argument,
what was found and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from math import isfinite
from numbers import Integral, Real
from typing import Any

import numpy as np

from trainlet.errors import TrainletError, shown

Kind = type[TrainletError]


def one_of(
    what: str, value: Any, allowed: Iterable[str], kind: Kind = TrainletError, also: str = ""
) -> str:
    """One of the words.

    what: stands before the value in the error; also: what the caller takes besides words.
    """
    words = list(allowed)
    if isinstance(value, str) and value in words:
        return value
    known = ", ".join(map(repr, words))
    raise kind(f"{what}{shown(value)}; allowed: {known}{also}{closest(value, words)}")


def closest(value: Any, words: Iterable[str]) -> str:
    """The end of an error about a word that resembles an allowed one."""
    text = value[:100].lower() if isinstance(value, str) else ""
    close = get_close_matches(text, list(words), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def whole(
    name: str, value: Any, least: int, most: int | None = None, kind: Kind = TrainletError
) -> int:
    """A whole number in least..most; True and 3.0 are none."""
    good = isinstance(value, Integral) and not isinstance(value, bool)
    number = int(value) if good else least - 1
    if number < least or (most is not None and number > most):
        end = "" if most is None else f" and at most {most:,}"
        raise kind(f"{name}={shown(value)}; allowed: a whole number, at least {least}{end}")
    return number


def finite(name: str, value: Any, kind: Kind = TrainletError) -> float:
    """A finite number of float32: a Python number, or an array or tensor of no dimensions."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    held = float("nan")
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            with np.errstate(over="ignore"):
                held = float(np.float32(float(value)))
        except (OverflowError, ValueError):
            pass
    if not isfinite(held):
        raise kind(f"{name} is {shown(value)}; allowed: a finite number")
    return float(value)


def flag(name: str, value: Any, also: str = "") -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TrainletError(f"{name}={shown(value)}; allowed: True, False{also}")
    return bool(value)
