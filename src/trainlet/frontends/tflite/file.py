"""Reading a .tflite file without trusting it.

The file is data only: no code runs.  But the flatbuffers package follows every offset it finds,
so each vector is read as an array, whose bounds NumPy checks, counts are limited, and a tensor's
data must be as long as its shape says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from struct import error as StructError
from typing import Any

import numpy as np

from trainlet.errors import FileError, UnsupportedError
from trainlet.ir.bounds import NODES, TENSOR_BYTES
from trainlet.ir.files import read_file

MAX_COUNT = 1 << 14
MAX_RANK = 8
IDENTIFIER = b"TFL3"
DTYPES = {
    "FLOAT32": "float32",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
}
DAMAGE = (
    StructError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)
"""What following a wrong offset ends in."""


@dataclass(frozen=True)
class Tensor:
    """One tensor of the file; `scale` and `zero_point` are empty where it is not quantised."""

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int
    data: np.ndarray | None


@dataclass(frozen=True)
class Operator:
    """One operator; `options` reads its options through a class of the schema."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Callable[[str], Any]

    def __str__(self) -> str:
        return f"operator {self.index}, {self.name}"


@dataclass(frozen=True)
class Model:
    """The file's one subgraph; tensors are parsed when they are asked for."""

    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    tensor: Callable[[int], Tensor]


def schema() -> Any:
    """The published schema; raises UnsupportedError when the extra is not installed."""
    try:
        import tflite
    except ImportError:
        raise UnsupportedError(
            "reading .tflite files needs the file format's schema: pip install trainlet[tflite]"
        ) from None
    return tflite


def read(path: Path) -> bytes:
    """The file's bytes; raises FileError for one that is absent, too large or of another kind."""
    content = read_file(path)
    if content[4:8] != IDENTIFIER:
        raise FileError(f"{path}: not a .tflite file: bytes 4 to 8 are not {IDENTIFIER.decode()}")
    return content


def parse(content: bytes) -> Model:
    """The model in a file's bytes.

    Raises FileError for what the format forbids, UnsupportedError for several subgraphs; wrong
    offsets end in one of DAMAGE.
    """
    tflite = schema()
    model = tflite.Model.GetRootAs(content, 0)
    if model.SubgraphsLength() != 1:
        raise UnsupportedError(f"{model.SubgraphsLength()} subgraphs; allowed: one")
    graph = model.Subgraphs(0)
    count = {
        "operators": graph.OperatorsLength(),
        "tensors": graph.TensorsLength(),
        "operator codes": model.OperatorCodesLength(),
    }
    NODES.check(count["operators"], "the network")
    for what, n in count.items():
        if n > MAX_COUNT:
            raise FileError(f"{n} {what}; at most {MAX_COUNT} are read")
    codes = _names(tflite.BuiltinOperator)
    names = [_operator_name(model.OperatorCodes(k), codes) for k in range(count["operator codes"])]
    types = _names(tflite.TensorType)
    known: dict[int, Tensor] = {}

    def tensor(index: int) -> Tensor:
        if not 0 <= index < count["tensors"]:
            raise FileError(f"there is no tensor {index}; the file has {count['tensors']}")
        if index not in known:
            known[index] = _tensor(model, graph.Tensors(index), index, types)
        return known[index]

    operators = [_operator(tflite, graph.Operators(k), k, names) for k in range(count["operators"])]
    ends = _indices(graph.InputsAsNumpy()), _indices(graph.OutputsAsNumpy())
    return Model(tuple(operators), *ends, tensor)


def _names(enum: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


def _operator_name(code: Any, names: dict[int, str]) -> str:
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    name = names.get(number, f"number {number}")
    return f"CUSTOM {_text(code.CustomCode())!r}" if name == "CUSTOM" else name


def _text(raw: bytes | None) -> str:
    return (raw or b"")[:200].decode("utf-8", "replace")


def _indices(vector: Any) -> tuple[int, ...]:
    """A vector of ints; the package gives 0 for an absent one."""
    values = _vector(vector)
    if values.size > MAX_COUNT:
        raise FileError(f"a list of {values.size} tensors; at most {MAX_COUNT} are read")
    return tuple(values.tolist())


def _vector(vector: Any) -> np.ndarray:
    return vector if isinstance(vector, np.ndarray) else np.zeros(0, np.int32)


def _operator(tflite: Any, operator: Any, index: int, names: list[str]) -> Operator:
    code = operator.OpcodeIndex()
    if code >= len(names):
        raise FileError(f"operator {index} has code {code}; the file lists {len(names)} codes")
    numbers = {k: v for k, v in vars(tflite.BuiltinOptions).items() if isinstance(v, int)}

    def options(kind: str) -> Any:
        found, table = operator.BuiltinOptionsType(), operator.BuiltinOptions()
        if table is None or found != numbers[kind]:
            raise FileError(f"its {kind} is missing")
        read = getattr(tflite, kind)()
        read.Init(table.Bytes, table.Pos)
        return read

    inputs, outputs = operator.InputsAsNumpy(), operator.OutputsAsNumpy()
    return Operator(index, names[code], _indices(inputs), _indices(outputs), options)


def _tensor(model: Any, tensor: Any, index: int, types: dict[int, str]) -> Tensor:
    name = _text(tensor.Name()) or f"tensor {index}"
    found = types.get(tensor.Type(), f"type {tensor.Type()}")
    if found not in DTYPES:
        raise UnsupportedError(f"tensor {name!r} is {found}; supported: {', '.join(DTYPES)}")
    shape = tuple(_vector(tensor.ShapeAsNumpy()).tolist()[: MAX_RANK + 1])
    if len(shape) > MAX_RANK or not all(n > 0 for n in shape):
        raise FileError(
            f"tensor {name!r} has shape {shape}; allowed: at most {MAX_RANK} positive dimensions"
        )
    size = prod(shape) * np.dtype(DTYPES[found]).itemsize
    TENSOR_BYTES.check(size, f"tensor {name!r} of shape {shape}")
    if tensor.Sparsity() is not None:
        raise UnsupportedError(f"tensor {name!r} is stored sparsely; store it densely")
    scale, zero_point, axis = _quantisation(tensor.Quantization())
    return Tensor(
        index, name, DTYPES[found], shape, scale, zero_point, axis,
        _data(model, tensor, name, DTYPES[found], shape),
    )  # fmt: skip


def _quantisation(quant: Any) -> tuple[np.ndarray, np.ndarray, int]:
    if quant is None:
        return np.zeros(0, np.float32), np.zeros(0, np.int64), 0
    scale = _vector(quant.ScaleAsNumpy()).astype(np.float32)
    zero = _vector(quant.ZeroPointAsNumpy()).astype(np.int64)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise FileError("a scale is not a positive number")
    if scale.size != zero.size:
        zero = np.broadcast_to(zero if zero.size else np.zeros(1, np.int64), scale.shape)
    return scale, zero, quant.QuantizedDimension()


def _data(
    model: Any, tensor: Any, name: str, dtype: str, shape: tuple[int, ...]
) -> np.ndarray | None:
    number = tensor.Buffer()
    if number >= model.BuffersLength():
        raise FileError(f"tensor {name!r} has buffer {number} of {model.BuffersLength()}")
    raw = _vector(model.Buffers(number).DataAsNumpy())
    if not raw.size:
        return None
    expected = prod(shape) * np.dtype(dtype).itemsize
    if raw.nbytes != expected:
        raise FileError(
            f"tensor {name!r}, {dtype} {shape}, needs {expected} bytes and has {raw.nbytes}"
        )
    return np.frombuffer(raw.tobytes(), np.dtype(dtype).newbyteorder("<")).reshape(shape)
