"""Writing small .tflite files with the published schema's builders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite


@dataclass
class Tensor:
    """One tensor of a file to be written; constant if it has data."""

    shape: tuple[int, ...]
    dtype: str = "INT8"
    scale: Sequence[float] = ()
    zero_point: Sequence[int] = ()
    axis: int = 0
    data: np.ndarray | None = None


@dataclass
class Operator:
    """One operator: positions of tensors, and its options by field."""

    name: str
    inputs: Sequence[int]
    output: int | Sequence[int]
    options: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    version: int = 2


def write(
    tensors: Sequence[Tensor],
    operators: Sequence[Operator],
    inputs: Sequence[int] = (0,),
    outputs: Sequence[int] = (-1,),
) -> bytes:
    """The bytes of a file; negative positions count from the end."""
    b = flatbuffers.Builder(1024)
    buffers = [_table(b, "Buffer")]
    for t in tensors:
        raw = np.frombuffer(b"" if t.data is None else t.data.tobytes(), np.uint8)
        buffers.append(_table(b, "Buffer", Data=b.CreateNumpyVector(raw) if raw.size else None))
    rows = [_tensor(b, t, k) for k, t in enumerate(tensors)]
    names = sorted({o.name for o in operators})
    versions = {o.name: o.version for o in operators}
    codes = [_code(b, name, versions[name]) for name in names]
    nodes = [_operator(b, o, names, len(tensors)) for o in operators]
    ends = [
        b.CreateNumpyVector(np.array([k % len(tensors) for k in some], np.int32))
        for some in (inputs, outputs)
    ]
    graph = _table(
        b, "SubGraph", Tensors=_tables(b, rows), Inputs=ends[0], Outputs=ends[1],
        Operators=_tables(b, nodes),
    )  # fmt: skip
    model = _table(
        b, "Model", Version=3, OperatorCodes=_tables(b, codes), Subgraphs=_tables(b, [graph]),
        Buffers=_tables(b, buffers),
    )  # fmt: skip
    b.Finish(model, file_identifier=b"TFL3")
    return bytes(b.Output())


def _table(b: flatbuffers.Builder, kind: str, **fields: Any) -> int:
    getattr(tflite, f"{kind}Start")(b)
    for name, value in fields.items():
        if value is not None:
            getattr(tflite, f"{kind}Add{name}")(b, value)
    return getattr(tflite, f"{kind}End")(b)


def _tables(b: flatbuffers.Builder, offsets: list[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return b.EndVector()


def _tensor(b: flatbuffers.Builder, t: Tensor, k: int) -> int:
    name = b.CreateString(f"t{k}")
    shape = b.CreateNumpyVector(np.array(t.shape, np.int32))
    quant = None
    if len(t.scale):
        scale = b.CreateNumpyVector(np.array(t.scale, np.float32))
        zero = b.CreateNumpyVector(np.array(t.zero_point, np.int64))
        quant = _table(
            b, "QuantizationParameters", Scale=scale, ZeroPoint=zero, QuantizedDimension=t.axis
        )
    kind = getattr(tflite.TensorType, t.dtype)
    return _table(b, "Tensor", Shape=shape, Type=kind, Buffer=k + 1, Name=name, Quantization=quant)


def _code(b: flatbuffers.Builder, name: str, version: int) -> int:
    number = getattr(tflite.BuiltinOperator, name)
    return _table(
        b,
        "OperatorCode",
        DeprecatedBuiltinCode=min(number, 127),
        Version=version,
        BuiltinCode=number,
    )


def _operator(b: flatbuffers.Builder, o: Operator, names: list[str], count: int) -> int:
    inputs = b.CreateNumpyVector(np.array([-1 if k is None else k for k in o.inputs], np.int32))
    made = [o.output] if isinstance(o.output, int) else o.output
    outputs = b.CreateNumpyVector(np.array([k % count for k in made], np.int32))
    options, kind = None, None
    if o.options:
        options = _table(b, o.options, **o.fields)
        kind = getattr(tflite.BuiltinOptions, o.options)
    return _table(
        b, "Operator", OpcodeIndex=names.index(o.name), Inputs=inputs, Outputs=outputs,
        BuiltinOptionsType=kind, BuiltinOptions=options,
    )  # fmt: skip
