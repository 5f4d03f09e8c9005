"""What a generated C project looks like from outside: its prefix, its slots and its sizes.

The emitter makes an `Interface` beside the C files; firmware and devices need nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from trainlet.backends.names import input_symbols, result_symbols, target_symbols
from trainlet.errors import DataError
from trainlet.ir.roles import target_name
from trainlet.planning.program import Program

CType = Literal["float", "int32_t", "int16_t", "int8_t", "uint8_t"]
DTYPES: dict[CType, np.dtype] = {
    "float": np.dtype(np.float32),
    "int32_t": np.dtype(np.int32),
    "int16_t": np.dtype(np.int16),
    "int8_t": np.dtype(np.int8),
    "uint8_t": np.dtype(np.uint8),
}
CTYPES: dict[str, CType] = {
    "float32": "float",
    "int32": "int32_t",
    "int16": "int16_t",
    "int8": "int8_t",
    "uint8": "uint8_t",
}


@dataclass(frozen=True)
class Argument:
    """One flat array of the C API: an input slot, an output or a target."""

    name: str
    ctype: CType
    count: int
    rows: int = 0
    """Number of rows of a streamed input; 0 for any other array."""
    called: str = ""
    """In C, where that is not its name."""

    @property
    def symbol(self) -> str:
        """Its name in C."""
        return self.called or self.name

    @property
    def dtype(self) -> np.dtype:
        return DTYPES[self.ctype]

    @property
    def size(self) -> int:
        """Bytes."""
        return self.count * self.dtype.itemsize

    def flat(self, array: ArrayLike) -> np.ndarray:
        """The user's array as the device wants it: one dimension, the C type, contiguous."""
        given = np.asarray(array)
        if given.size != self.count:
            raise DataError(
                f"'{self.name}' has {given.size} values (shape {given.shape}), "
                f"the program needs {self.count}; pass one sample of the shape it was compiled for"
            )
        if self.ctype != "float" and given.dtype.kind not in "iub":
            raise DataError(
                f"'{self.name}' is {given.dtype}, the program takes integers ({self.dtype})"
            )
        if given.dtype.kind not in "iubf":
            raise DataError(f"'{self.name}' is {given.dtype}, the program takes numbers")
        flat = np.ascontiguousarray(given, self.dtype).reshape(-1)
        if self.ctype != "float" and (flat != given.reshape(-1)).any():
            raise DataError(f"'{self.name}' holds values beyond the range of {self.dtype}")
        return flat


@dataclass(frozen=True)
class Interface:
    """The C API of one project: `<prefix>.c` and `<prefix>.h`."""

    prefix: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    targets: tuple[Argument, ...]
    blob_bytes: int
    observes: bool = False
    """Whether it has `<prefix>_observe`."""
    selects: bool = False
    """Whether it has `<prefix>_measure` and `<prefix>_select`."""
    feature_bytes: int = 0
    """Of an example's features; 0 where it has no `<prefix>_features`."""

    @property
    def result(self) -> np.dtype:
        """What the elements of the outputs are: all are of one type."""
        return self.outputs[0].dtype


def interface_of(program: Program, chosen_bytes: int | None = None) -> Interface:
    """The C API of a program's project.

    chosen_bytes: of a trainer that chooses what learns, of which this program measures: of its
    largest saved state
    """
    symbols = input_symbols(n.name for n in program.inputs)
    outputs = result_symbols(list(program.outputs), symbols.values())
    names = [target_name(n) for n in program.targets]
    targets = target_symbols(names, [*symbols.values(), *outputs])
    return Interface(
        program.prefix,
        tuple(
            Argument(
                n.name,
                CTYPES[n.type.dtype],
                n.type.size,
                n.type.shape[1] if n is program.streamed else 0,
                symbols[n.name],
            )
            for n in program.inputs
        ),
        tuple(
            Argument(name, CTYPES[n.type.dtype], n.type.size, called=symbol)
            for (name, n), symbol in zip(program.outputs.items(), outputs, strict=True)
        ),
        tuple(
            Argument(name, CTYPES[n.type.dtype], n.type.size, called=symbol)
            for name, n, symbol in zip(names, program.targets, targets, strict=True)
        ),
        chosen_bytes or program.layout.blob_bytes,
        program.teaching is not None,
        chosen_bytes is not None,
        program.feature_bytes,
    )
