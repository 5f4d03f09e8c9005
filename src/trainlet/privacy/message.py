"""What one device sends of a gradient: of each parameter some coordinates and their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainlet.errors import DataError, shown

Arrays = Mapping[str, NDArray]
BITS = {"float32": 32, "float16": 16, "int8": 8, "sign": 1}
"""The bits of a value, by how it is coded."""
SCALED = ("int8", "sign")
"""The codings whose values are multiples of one float32 scale, which is sent too."""
HEADER = 6
"""The bytes before the values of each parameter: both codings and the number of values."""


@dataclass(frozen=True)
class Part:
    """What is sent of one parameter.

    shape:   of the parameter
    values:  float32 [k], what the receiver reads
    indices: int64 [k], ascending, in the flattened parameter; None where all is sent in order
    coding:  how a value is sent, one of BITS
    scale:   of which the values are multiples, where the coding has one
    """

    shape: tuple[int, ...]
    values: NDArray
    indices: NDArray | None = None
    coding: str = "float32"
    scale: float = 1.0

    @property
    def size(self) -> int:
        """The coordinates of the parameter, sent or not."""
        return int(np.prod(self.shape))

    @property
    def addressing(self) -> int:
        """The bits of an index: 0 where all is sent, 16, 32, or 1 for a bit of each coordinate,
        whichever needs the fewest bytes."""
        if self.indices is None:
            return 0
        wide = 16 if self.size <= 1 << 16 else 32
        return 1 if self.size <= wide * len(self.values) else wide

    @property
    def nbytes(self) -> int:
        """What `trainlet.privacy.wire.encode` writes, the header and the indices included."""
        count = self.size if self.addressing == 1 else len(self.values)
        indices = -(-self.addressing * count // 8)
        values = -(-BITS[self.coding] * len(self.values) // 8)
        return HEADER + indices + values + (4 if self.coding in SCALED else 0)

    def dense(self) -> NDArray:
        """float32 in the parameter's shape, zero where nothing was sent."""
        if self.indices is None:
            return self.values.reshape(self.shape)
        whole = np.zeros(self.size, np.float32)
        whole[self.indices] = self.values
        return whole.reshape(self.shape)

    def sent(self) -> NDArray:
        """bool in the parameter's shape: which coordinates were sent."""
        if self.indices is None:
            return np.ones(self.shape, bool)
        whole = np.zeros(self.size, bool)
        whole[self.indices] = True
        return whole.reshape(self.shape)


@dataclass(frozen=True)
class Message:
    """One device's message of one round: {parameter: what is sent of it}."""

    parts: Mapping[str, Part] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole message, indices included; names and shapes are known to both ends."""
        return sum(part.nbytes for part in self.parts.values())

    def dense(self) -> dict[str, NDArray]:
        """{parameter: float32 in its shape, zero where nothing was sent}."""
        return {name: part.dense() for name, part in self.parts.items()}

    def sent(self) -> dict[str, NDArray]:
        """{parameter: bool in its shape, which coordinates were sent}."""
        return {name: part.sent() for name, part in self.parts.items()}


def whole_message(gradients: Arrays) -> Message:
    """All values as float32.  Raises DataError for NaN, infinity, and what is no array of reals."""
    parts = {}
    for name, gradient in gradients.items():
        array = np.asarray(gradient)
        if array.dtype.kind not in "fiu":
            raise DataError(f"the gradient of {name!r} is {shown(gradient)}; allowed: real numbers")
        if not np.isfinite(array).all():
            raise DataError(
                f"the gradient of {name!r} holds NaN or infinity; send nothing of this step"
            )
        parts[name] = Part(array.shape, array.astype(np.float32).reshape(-1))
    return Message(parts)
