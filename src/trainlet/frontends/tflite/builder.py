"""What the table of operators needs of an import in progress: tensors as nodes, names, limits."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.errors import DataError, FileError, UnsupportedError
from trainlet.frontends.quantized_layer import Result
from trainlet.frontends.tflite.file import Model, Operator, Tensor
from trainlet.ir.bounds import TENSOR_BYTES
from trainlet.ir.graph import Node, unused
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.op import build, leaf

MAX_CHANNELS = 1 << 14
ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")


class Builder:
    """Collects nodes by tensor and values of leaves; `label` names the operator's node."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.nodes: dict[int, Node] = {}
        self.values: dict[str, np.ndarray] = {}
        self.label = ""
        self._operator: Operator | None = None
        self._numbers: dict[str, int] = {}
        self._shared: dict[tuple[int, str], Node] = {}
        self._bytes = 0

    def enter(self, operator: Operator) -> None:
        """The operator whose nodes follow."""
        self._operator, self.label = operator, ""

    def named(self, kind: str) -> None:
        """Call the operator's nodes by their kind and its number, from 0."""
        number = self._numbers.get(kind, 0)
        self._numbers[kind] = number + 1
        self.label = f"{kind}_{number}"

    def build(self, op: str, *inputs: Node, **attrs: Any) -> Node:
        return build(op, *inputs, label=self.label, **attrs)

    def tensor(self, position: int) -> Tensor | None:
        """The operator's input at a position, None for an optional one that is absent."""
        assert self._operator is not None
        inputs = self._operator.inputs
        index = inputs[position] if position < len(inputs) else -1
        return None if index == -1 else self.model.tensor(index)

    def required(self, position: int, what: str) -> Tensor:
        tensor = self.tensor(position)
        if tensor is None:
            raise FileError(f"its {what} is missing")
        return tensor

    def constant(self, position: int, what: str) -> np.ndarray:
        """The value of an input that must stand in the file."""
        tensor = self.required(position, what)
        if tensor.data is None:
            raise UnsupportedError(f"its {what}, {tensor.name!r}, is computed; allowed: a constant")
        return tensor.data

    def output(self) -> Tensor:
        assert self._operator is not None
        return self.model.tensor(self._operator.outputs[0])

    def node(self, index: int) -> Node:
        """The node of a tensor: computed, or a constant of the file."""
        if index in self.nodes:
            return self.nodes[index]
        tensor = self.model.tensor(index)
        if tensor.data is None:
            raise FileError(f"tensor {tensor.name!r} is read before an operator made it")
        kind = self.type(tensor)
        self.nodes[index] = self._leaf("const", f"tensor_{index}", tensor.data, kind)
        return self.nodes[index]

    def input(self, position: int) -> Node:
        return self.node(self.required(position, f"input {position}").index)

    def parameter(self, tensor: Tensor, role: str, array: np.ndarray, kind: TensorType) -> Node:
        """A parameter of the file; the same leaf for whoever reads it in the same way."""
        key = tensor.index, str((role, kind))
        if key not in self._shared:
            self._shared[key] = self._leaf("param", f"{self.label}.{role}", array, kind)
        return self._shared[key]

    def made(self, role: str, array: np.ndarray, quant: Quant | None = None) -> Node:
        """A constant that stands in no file."""
        kind = TensorType(array.shape, str(array.dtype), quant)  # type: ignore[arg-type]
        return self._leaf("const", unused(f"{self.label}.{role}", self.values), array, kind)

    def _leaf(self, kind: str, name: str, array: np.ndarray, type: TensorType) -> Node:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DataError(f"{name!r} holds values that are NaN or infinite")
        self._bytes += array.nbytes
        TENSOR_BYTES.check(self._bytes, "the constants")
        self.values[name] = np.ascontiguousarray(array, type.dtype).reshape(type.shape)
        return leaf(kind, name, type)

    def type(self, tensor: Tensor) -> TensorType:
        """The type of an activation; raises UnsupportedError for other than float32 and int8."""
        if tensor.dtype == "float32":
            return TensorType(tensor.shape)
        if tensor.dtype != "int8":
            raise UnsupportedError(
                f"tensor {tensor.name!r} is {tensor.dtype}; an activation must be float32 or int8"
            )
        if tensor.scale.size != 1:
            raise UnsupportedError(
                f"tensor {tensor.name!r} has {tensor.scale.size} scales; an activation must have "
                "one"
            )
        quant = Quant((float(tensor.scale[0]),), (int(tensor.zero_point[0]),))
        if not -128 <= quant.zero_point[0] <= 127:
            raise FileError(f"tensor {tensor.name!r} has zero point {quant.zero_point[0]}")
        return TensorType(tensor.shape, "int8", quant)

    def quantised(self, activation: int = 0) -> Result:
        """Scale and zero point of the operator's int8 result, and its fused activation's clamp."""
        kind = self.type(self.output())
        if kind.quant is None:
            raise FileError("its input is int8 and its result is float32")
        scale, zero = kind.quant.scale[0], kind.quant.zero_point[0]
        top = {"RELU_N1_TO_1": 1.0, "RELU6": 6.0}.get(self._activation(activation))
        bottom = {"RELU_N1_TO_1": -1.0, "RELU": 0.0, "RELU6": 0.0}.get(self._activation(activation))
        low = -128 if bottom is None else max(-128, zero + _steps(bottom, scale))
        high = 127 if top is None else min(127, zero + _steps(top, scale))
        return Result(scale, zero, low, high)

    def activated(self, y: Node, activation: int) -> Node:
        """A float result after its fused activation."""
        name = self._activation(activation)
        if name == "RELU_N1_TO_1":
            raise UnsupportedError(f"fused activation {name} of float32; allowed: NONE RELU RELU6")
        return y if name == "NONE" else self.build(name.lower(), y)

    def _activation(self, number: int) -> str:
        if not 0 <= number < len(ACTIVATIONS):
            raise UnsupportedError(
                f"fused activation number {number}; allowed: {', '.join(ACTIVATIONS)}"
            )
        return ACTIVATIONS[number]


def _steps(value: float, scale: float) -> int:
    """A real value in units of the scale, rounded half away from zero as in float32."""
    quotient = float(np.float32(value) / np.float32(scale))
    if abs(quotient) > 2**20:
        return int(np.sign(quotient)) << 20
    return int(np.sign(quotient) * np.floor(abs(quotient) + 0.5))
