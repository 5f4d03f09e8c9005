"""Reading an .onnx file without trusting it.

The file is data only: no code runs.  Every tensor must have as many bytes as its shape says before
it is unpacked, and other files of weights are read in the file's own folder only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from trainlet.errors import FileError, ToolchainError, UnsupportedError
from trainlet.frontends.onnx.functions import written_out
from trainlet.ir.bounds import NODES, TENSOR_BYTES
from trainlet.ir.files import open_file, read_file
from trainlet.ir.printable import plain

MAX_RANK = 8
MOST_SHOWN = 200
FIRST_OPSET, LAST_OPSET = 6, 28
DOMAINS = ("", "ai.onnx")
NOT_RAW = ("STRING", "UNDEFINED", "COMPLEX64", "COMPLEX128")


@dataclass(frozen=True)
class Operator:
    """One node of the file; an absent optional input or output has the name ''."""

    index: int
    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    proto: Any = field(repr=False)

    def __str__(self) -> str:
        return f"operator {self.index}, {self.kind} {self.name!r}"

    def input(self, position: int) -> str:
        """The name of an input, '' for one that is absent."""
        return self.inputs[position] if position < len(self.inputs) else ""


@dataclass(frozen=True)
class Input:
    """dims: None where the file gives no number."""

    name: str
    dtype: str
    dims: tuple[int | None, ...]


@dataclass(frozen=True)
class Model:
    """A file's one graph.  `proto` is the file without references to other files."""

    operators: tuple[Operator, ...]
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, np.ndarray]
    opset: int
    proto: Any = field(repr=False)


def package() -> Any:
    """The package onnx; raises ToolchainError when the extra is not installed."""
    try:
        import onnx
        import onnx.numpy_helper
    except ImportError:
        raise ToolchainError(
            "reading .onnx files needs the package onnx: pip install trainlet[onnx]"
        ) from None
    return onnx


def read(path: Path) -> Model:
    """The model of a file.

    Raises FileError for one that is absent, damaged, too large, or names weights outside of its
    folder; UnsupportedError for other versions and kinds of tensors.
    """
    onnx, content = package(), read_file(path)
    try:
        proto = onnx.ModelProto.FromString(content)
    except Exception as error:  # whatever the parser says of hostile bytes
        raise FileError(f"not a readable .onnx file ({type(error).__name__})") from None
    proto = written_out(proto)
    graph = proto.graph
    if not graph.node or not graph.output:
        raise FileError("not an .onnx file: it has no operators or no outputs")
    NODES.check(len(graph.node), "the network")
    if graph.sparse_initializer:
        raise UnsupportedError("tensors stored sparsely; store them densely")
    reader = Tensors(onnx, path.parent)
    constants = {t.name: reader.array(t) for t in graph.initializer}
    operators = tuple(_operator(onnx, reader, k, n) for k, n in enumerate(graph.node))
    inputs = tuple(_input(onnx, i) for i in graph.input if i.name not in constants)
    outputs = tuple(o.name for o in graph.output)
    return Model(operators, inputs, outputs, constants, _opset(proto), proto)


def _opset(proto: Any) -> int:
    found = [o.version for o in proto.opset_import if o.domain in DOMAINS]
    if len(found) != 1 or not FIRST_OPSET <= found[0] <= LAST_OPSET:
        raise UnsupportedError(f"opset {found}; allowed: one of {FIRST_OPSET} to {LAST_OPSET}")
    return found[0]


def _operator(onnx: Any, reader: Tensors, index: int, node: Any) -> Operator:
    own = node.domain in DOMAINS
    kind = plain(node.op_type if own else f"{node.domain}.{node.op_type}", MOST_SHOWN)
    name = plain(node.name or next(iter(node.output), ""), MOST_SHOWN).strip("/")
    attributes = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            value = reader.array(value)
        attributes[attribute.name] = _text(value)
    return Operator(
        index, kind, name or f"{kind}_{index}", tuple(node.input), tuple(node.output), attributes,
        node,
    )  # fmt: skip


def _text(value: Any) -> Any:
    """Strings stand in the file as bytes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return [_text(v) for v in value] if isinstance(value, (list, tuple)) else value


def _input(onnx: Any, value: Any) -> Input:
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        raise UnsupportedError(
            f"the input {value.name!r} is no tensor of a known rank; export with fixed shapes"
        )
    dims = tuple(d.dim_value or None for d in tensor.shape.dim)
    if len(dims) > MAX_RANK or any(n is not None and n < 0 for n in dims):
        raise FileError(
            f"the input {value.name!r} has shape {dims[: MAX_RANK + 1]}; allowed: at most "
            f"{MAX_RANK} positive dimensions"
        )
    return Input(value.name, _dtype(onnx, tensor.elem_type), dims)


def _dtype(onnx: Any, number: int) -> str:
    """As NumPy calls it."""
    names: dict[int, str] = {v: k.lower() for k, v in onnx.TensorProto.DataType.items()}
    found = names.get(number, f"type {number}")
    return {"float": "float32", "double": "float64"}.get(found, found)


class Tensors:
    """Unpacks the tensors of a file in `folder`, all of which together are bounded."""

    def __init__(self, onnx: Any, folder: Path) -> None:
        self.onnx, self.folder, self.bytes = onnx, folder, 0

    def array(self, tensor: Any) -> np.ndarray:
        """The tensor's value; the tensor then holds its bytes itself."""
        name, shape = plain(tensor.name, MOST_SHOWN), tuple(tensor.dims)
        kind = {v: k for k, v in self.onnx.TensorProto.DataType.items()}.get(tensor.data_type)
        if kind is None or kind in NOT_RAW or kind.startswith(("FLOAT8", "FLOAT4", "FLOAT6")):
            raise UnsupportedError(f"tensor {name!r} is {kind}; allowed: numbers")
        if len(shape) > MAX_RANK or any(n < 0 for n in shape):
            raise FileError(
                f"tensor {name!r} has shape {shape[: MAX_RANK + 1]}; allowed: at most {MAX_RANK} "
                "dimensions, none negative"
            )
        dtype = np.dtype(self.onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
        size = prod(shape) * dtype.itemsize
        self.bytes += size
        TENSOR_BYTES.check(self.bytes, f"tensor {name!r} of shape {shape} and those before it")
        if tensor.data_location == self.onnx.TensorProto.EXTERNAL:
            self._fetch(tensor, name, size)
        if tensor.HasField("raw_data") and kind not in ("INT4", "UINT4", "INT2", "UINT2"):
            check_length(name, len(tensor.raw_data), size)
        try:
            return np.array(self.onnx.numpy_helper.to_array(tensor))
        except Exception as error:  # whatever the package says of hostile fields
            raise FileError(f"tensor {name!r} is damaged ({type(error).__name__})") from None

    def _fetch(self, tensor: Any, name: str, size: int) -> None:
        fields = {e.key: e.value for e in tensor.external_data}
        place, offset = fields.get("location", ""), _number(fields, "offset", name)
        check_length(name, _number(fields, "length", name) or size, size)
        with open_file(self._inside(place, name)) as file:
            file.seek(offset)
            content = file.read(size)
        check_length(name, len(content), size)
        tensor.raw_data = content
        tensor.data_location = self.onnx.TensorProto.DEFAULT
        del tensor.external_data[:]

    def _inside(self, place: str, name: str) -> Path:
        """Where a file of weights is; links are followed before it is judged."""
        folder = Path(os.path.realpath(self.folder))
        found = Path(os.path.realpath(folder / place)) if "\0" not in place else folder
        if found == folder or folder not in found.parents:
            raise FileError(
                f"the data of tensor {name!r} stand in {plain(place, MOST_SHOWN)!r}; allowed: a "
                "file in the folder of the .onnx file"
            )
        return found


def check_length(name: str, found: int, expected: int) -> None:
    """Raise FileError unless a tensor has as many bytes as its shape says."""
    if found != expected:
        raise FileError(f"tensor {name!r} needs {expected} bytes and has {found}")


def _number(fields: Mapping[str, str], key: str, name: str) -> int:
    text = fields.get(key, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise FileError(f"the {key} of tensor {name!r} is {plain(text, MOST_SHOWN)!r}")
    return int(text)


def ints(value: Any, what: str) -> list[int]:
    """A list of whole numbers from an attribute or a constant; raises FileError for others."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" and array.size:
        raise FileError(f"its {what} are {array.dtype}; allowed: whole numbers")
    return [int(n) for n in array.reshape(-1)]


def one_of(value: str, allowed: Sequence[str], what: str) -> str:
    """The value; raises UnsupportedError for one that is not allowed."""
    if value not in allowed:
        raise UnsupportedError(f"{what} {plain(str(value), 60)!r}; allowed: {', '.join(allowed)}")
    return value
