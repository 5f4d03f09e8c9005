"""Vectors of changes as bytes: in float32, or in int8 with one scale for each parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from trainlet.errors import StateError, TrainletError
from trainlet.ir.arguments import closest

LIMIT = 127


class Encoding(Protocol):
    """How a vector of changes becomes bytes.

    sizes: coordinates of each parameter, one after the other in the vector
    """

    def encode(self, vector: np.ndarray, sizes: Sequence[int]) -> bytes:
        """The bytes of a float32 vector [sum(sizes)]."""
        ...

    def decode(self, payload: bytes, sizes: Sequence[int]) -> np.ndarray:
        """The float32 vector [sum(sizes)]; raises StateError for bytes of another length."""
        ...


@dataclass(frozen=True)
class Float32:
    """Four bytes a value: exact."""

    def encode(self, vector: np.ndarray, sizes: Sequence[int]) -> bytes:
        return np.asarray(vector, "<f4").tobytes()

    def decode(self, payload: bytes, sizes: Sequence[int]) -> np.ndarray:
        _check_length(payload, 4 * sum(sizes))
        return np.frombuffer(payload, "<f4").astype(np.float32)


@dataclass(frozen=True)
class Int8:
    """One byte a value and a float32 scale a parameter: the largest change is 127 units."""

    def encode(self, vector: np.ndarray, sizes: Sequence[int]) -> bytes:
        bounds = np.abs(np.asarray(vector, np.float32))
        scales = np.array([part.max(initial=0) / LIMIT for part in _parts(bounds, sizes)], "<f4")
        units = np.repeat(np.where(scales > 0, scales, 1), sizes)
        values = np.clip(np.rint(vector / units), -LIMIT, LIMIT).astype(np.int8)
        return scales.tobytes() + values.tobytes()

    def decode(self, payload: bytes, sizes: Sequence[int]) -> np.ndarray:
        _check_length(payload, 4 * len(sizes) + sum(sizes))
        scales = np.frombuffer(payload, "<f4", len(sizes))
        values = np.frombuffer(payload, np.int8, sum(sizes), 4 * len(sizes))
        with np.errstate(over="ignore", invalid="ignore"):
            return (values * np.repeat(scales, sizes)).astype(np.float32)


ENCODINGS: dict[str, Encoding] = {"none": Float32(), "int8": Int8()}


def encoding(name: str) -> Encoding:
    """The encoding of this name; raises TrainletError."""
    if name not in ENCODINGS:
        known = ", ".join(ENCODINGS) + closest(name, ENCODINGS)
        raise TrainletError(f"unknown way to share {name!r}; allowed: {known}")
    return ENCODINGS[name]


def _parts(vector: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    return np.split(vector, np.cumsum(sizes)[:-1]) if len(sizes) else []


def _check_length(payload: bytes, wanted: int) -> None:
    if len(payload) != wanted:
        raise StateError(f"an update has {len(payload)} bytes of values; allowed: {wanted}")
