"""The inputs of a network: as which leaves they enter the graph."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from trainlet.errors import UnsupportedError
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.file import Input, Operator
from trainlet.frontends.onnx.stored import quantisation
from trainlet.ir.bounds import TENSOR_BYTES
from trainlet.ir.printable import plain
from trainlet.ir.types import Quant, TensorType

PASSING = ("Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
"""Operators behind which numbers are still those of the input."""
INDICES = ("int64", "int32")
WHOLE = {"bool": 2, "int8": 128, "uint8": 256, "int16": 1 << 15, "uint16": 1 << 16,
         "int32": 1 << 23, "int64": 1 << 23}  # fmt: skip
"""What whole numbers of each type are less than that float32 holds exactly."""
CONDITIONS = {"And": (0, 1), "Not": (0,), "Or": (0, 1), "Where": (0,), "Xor": (0, 1)}
"""Which inputs of operators are conditions."""
FLOAT = 1


def enter(at: Builder, given: Input, position: int, batch: int) -> None:
    """Make the leaf of an input; raises UnsupportedError for a dynamic shape or a type that the
    graph does not have.

    Integers are the indices of a table, or quantised.  Numbers of other types that are cast to
    float32 before anything is computed are float32.
    """
    dims = [batch if n is None and k == 0 else n for k, n in enumerate(given.dims)]
    shown = plain(given.name, 200)
    if None in dims:
        raise UnsupportedError(
            f"the input {shown!r} has a dynamic shape {given.dims}; a trainer's memory is planned "
            "at compile time: export with fixed shapes, only the first may be open"
        )
    shape = tuple(n for n in dims if n is not None)
    TENSOR_BYTES.check(4 * prod(shape), f"the input {shown!r}")
    kind, below = _type(at, given, shape)
    at.entered(given.name, kind, position, below if kind.dtype == "int32" else 0)
    if kind.dtype != "int32" and below:
        at.drawn_below[given.name] = below


def _type(at: Builder, given: Input, shape: tuple[int, ...]) -> tuple[TensorType, int]:
    """The leaf's type, and what its numbers are less than where they are whole."""
    plain_type = TensorType(shape, "float32")
    if given.dtype == "float32":
        return plain_type, 0
    readers = list(_readers(at, given.name))
    rows = _rows(at, readers) if given.dtype in INDICES else []
    if rows:
        return TensorType(shape, "int32"), min(rows)
    if given.dtype in ("int8", "uint8") and readers and all(
        operator.kind == "DequantizeLinear" and position == 0 for operator, position in readers
    ):  # fmt: skip
        return _quantised(at, readers[0][0], shape), WHOLE[given.dtype]
    is_bool = given.dtype == "bool"
    if readers and all(_takes_floats(*reader, is_bool) for reader in readers):
        return plain_type, WHOLE.get(given.dtype, 0)
    raise UnsupportedError(
        f"the input {plain(given.name, 200)!r} is {given.dtype}; allowed: float32, indices of a "
        "table, int8 and uint8 that DequantizeLinear reads, and other types that the network casts "
        "to float32 before it computes with them"
    )


def _takes_floats(operator: Operator, position: int, is_bool: bool) -> bool:
    """Whether an operator takes float32 in place of the type that the file says."""
    if operator.kind == "Cast":
        return operator.attributes.get("to") == FLOAT
    return is_bool and position in CONDITIONS.get(operator.kind, ())


def _quantised(at: Builder, operator: Operator, shape: tuple[int, ...]) -> TensorType:
    """The type that a DequantizeLinear reads."""
    scale, zero = at.known.get(operator.input(1)), at.known.get(operator.input(2))
    if scale is None or zero is None:
        raise UnsupportedError(f"{operator}: its scale or zero point is no constant of the file")
    found = quantisation(scale, zero)
    return TensorType(shape, "int8", Quant((found.scale,), (found.zero_point,)))


def _readers(at: Builder, name: str) -> Iterator[tuple[Operator, int]]:
    """The operators that read an input's numbers, and as which of their own inputs."""
    names = {name}
    for operator in at.model.operators:
        for position, read in enumerate(operator.inputs):
            if read not in names:
                continue
            if operator.kind in PASSING and position == 0:
                names.update(operator.outputs)
            else:
                yield operator, position


def _rows(at: Builder, readers: list[tuple[Operator, int]]) -> list[int]:
    """The number of rows of each table that an input of integers is an index of."""
    rows, more = [], list(readers)
    while more:
        operator, position = more.pop()
        if operator.kind == "Cast":
            more += _readers(at, operator.outputs[0])
        table = at.known.get(operator.input(0))
        if operator.kind == "Gather" and position == 1 and table is not None:
            axis = operator.attributes.get("axis", 0)
            if isinstance(axis, int) and -table.ndim <= axis < table.ndim:
                rows.append(table.shape[axis])
    return rows
