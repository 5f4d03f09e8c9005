"""Collects ONNX operators; the tables of this package say what each of ours becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trainlet.errors import ToolchainError
from trainlet.ir.graph import Node

OPSET = 21
Row = Callable[..., str]
"""(emitter, node, names of its inputs) -> the name of its value"""
EMITTED: dict[str, Row] = {}


def emits(*names: str) -> Callable[[Row], Row]:
    """Enter a row under the operators' names."""

    def enter(row: Row) -> Row:
        EMITTED.update(dict.fromkeys(names, row))
        return row

    return enter


def package() -> Any:
    """The package onnx; raises ToolchainError when the extra is not installed."""
    try:
        import onnx
        import onnx.numpy_helper
    except ImportError:
        raise ToolchainError(
            "target='onnx' needs the package onnx: pip install trainlet[onnx]"
        ) from None
    return onnx


class Emitter:
    """The operators and constants of one file; no text from outside is a name of a value here."""

    def __init__(self) -> None:
        self.onnx = package()
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attrs: Any) -> str:
        """The name of an operator's last result; of several the others are left out."""
        name = f"#{len(self.nodes)}"
        made = [""] * (outputs - 1) + [name]
        if outputs > 1:
            made[0] = f"{name}.first"
        given = {k: v for k, v in attrs.items() if v is not None}
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), made, **given))
        return name

    def constant(self, array: np.ndarray) -> str:
        """Equal ones are one."""
        array = np.asarray(array, order="C")
        key = str(array.dtype), array.shape, array.tobytes()
        if key not in self._known:
            self._known[key] = f"#c{len(self.constants)}"
            self.constants[self._known[key]] = array
        return self._known[key]

    def number(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def ints(self, values: Sequence[int]) -> str:
        return self.constant(np.array(values, np.int64).reshape(len(values)))

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        return self.op("Reshape", x, self.ints(tuple(shape)))

    def transpose(self, x: str, *order: int) -> str:
        return self.op("Transpose", x, perm=list(order))

    def scaled(self, x: str, factor: float) -> str:
        """x times a number."""
        return x if factor == 1 else self.op("Mul", x, self.number(factor))

    def total(
        self, x: str, before: Sequence[int], after: Sequence[int], kind: str = "ReduceSum"
    ) -> str:
        """The sum, or another reduction, over what broadcasting `after` to `before` repeats."""
        padded = (1,) * (len(before) - len(after)) + tuple(after)
        axes = [k for k, (n, m) in enumerate(zip(before, padded, strict=True)) if n != m]
        if axes:
            x = self.op(kind, x, self.ints(axes), keepdims=1)
        return x if tuple(after) == padded else self.reshape(x, after)

    def map(self, x: str) -> str:
        """Channels first."""
        return self.transpose(x, 0, 3, 1, 2)

    def last(self, x: str) -> str:
        """Channels last."""
        return self.transpose(x, 0, 2, 3, 1)


def shape(n: Node, position: int) -> tuple[int, ...]:
    """The shape of an input."""
    return n.inputs[position].type.shape
