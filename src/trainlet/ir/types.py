"""The type of a tensor: shape, element type, quantisation."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal, get_args

import numpy as np

from trainlet.errors import ShapeError

DType = Literal["float32", "int32", "int16", "int8", "uint8"]
DTYPES: tuple[DType, ...] = get_args(DType)

LARGEST = {"int8": 127, "int16": 2**15 - 1, "int32": 2**31 - 1}
"""The largest integer that a quantised value takes; the smallest is its negative."""


@dataclass(frozen=True)
class Quant:
    """Affine quantisation: real = scale * (integer - zero_point), per `axis` or per tensor."""

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int | None = None


@dataclass(frozen=True)
class TensorType:
    """A dense tensor's type; `()` is the shape of a scalar."""

    shape: tuple[int, ...]
    dtype: DType = "float32"
    quant: Quant | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ShapeError(f"unknown dtype {self.dtype!r}; known: {', '.join(DTYPES)}")
        if not all(isinstance(n, int) and n > 0 for n in self.shape):
            raise ShapeError(f"every dimension is a positive int, found shape {self.shape}")

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return np.dtype(self.dtype).itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of the dense tensor."""
        return self.size * self.itemsize

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def with_shape(self, shape: tuple[int, ...]) -> TensorType:
        """The same element type in another shape."""
        return TensorType(tuple(shape), self.dtype, self.quant)

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"
