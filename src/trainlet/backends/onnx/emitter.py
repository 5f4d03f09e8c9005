"""Collects ONNX operators; the tables of this package say what each of ours becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from trainlet.errors import ToolchainError
from trainlet.ir.graph import Node

OPSET = 21
Order = tuple[int, ...]
"""Axis k of an array in ONNX is axis order[k] of ours."""
MAPS: Order = (0, 3, 1, 2)
"""Of maps [N,H,W,C] and weights [O,KH,KW,C], as convolutions in ONNX read them."""
TAPS: Order = (2, 0, 1)
"""Of depthwise weights [KH,KW,C]."""


@dataclass(frozen=True)
class Row:
    """What an operator becomes.

    write: (emitter, node, names of its inputs) -> the name of its value
    inputs: the orders in which it reads its first inputs; None and what follows are as ours
    result: the order of its value; None is ours
    free: it does the same in every order of the axes; an attribute `axis` is moved with them
    mask: it makes an element for each of its first input's, where ours packs eight in a byte
    reduces: it sums over some axes of inputs that lie in any order, which `write` is given after
        the node; its value lies in ours
    """

    write: Callable[..., str]
    inputs: tuple[Order | None, ...] = ()
    result: Order | None = None
    free: bool = False
    mask: bool = False
    reduces: bool = False


EMITTED: dict[str, Row] = {}


def emits(*names: str, **how: Any) -> Callable[[Callable[..., str]], Callable[..., str]]:
    """Enter a row under the operators' names; `how` are the other fields of Row."""

    def enter(write: Callable[..., str]) -> Callable[..., str]:
        EMITTED.update(dict.fromkeys(names, Row(write, **how)))
        return write

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
    """The operators and constants of one file; no text from outside is a name of a value here.

    What is done to a constant alone is done here, not in each step.
    """

    def __init__(self, names: int = 0) -> None:
        """names: how many numbered names are taken already"""
        self.onnx = package()
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self.masks: list[str] = []
        """Of activations: a byte for each element."""
        self.rank, self._names = 0, names
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attrs: Any) -> str:
        """The name of an operator's last result; of several the others are left out."""
        name = self.fresh()
        made = [""] * (outputs - 1) + [name]
        if outputs > 1:
            made[0] = f"{name}.first"
        given = {k: v for k, v in attrs.items() if v is not None}
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), made, **given))
        return name

    def several(self, kind: str, outputs: int, *inputs: str, **attrs: Any) -> list[str]:
        """The names of all results of an operator."""
        made = [self.fresh() for _ in range(outputs)]
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), made, **attrs))
        return made

    def fresh(self) -> str:
        """A name that nothing has."""
        self._names += 1
        return f"#{self._names}"

    @contextmanager
    def body(self) -> Iterator[list[Any]]:
        """What is appended meanwhile belongs to the body of an operator."""
        outer, self.nodes = self.nodes, []
        yield self.nodes
        self.nodes = outer

    def result(self, value: str, name: str) -> None:
        """Give a value the name of an output of the model."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name]))

    def constant(self, array: np.ndarray) -> str:
        """Equal ones are one."""
        array = np.asarray(array, order="C")
        key = str(array.dtype), array.shape, array.tobytes()
        if key not in self._known:
            self._known[key] = f"#c{len(self.constants)}"
            self.constants[self._known[key]] = array
        return self._known[key]

    def number(self, value: float) -> str:
        """With as many axes as the arrays of the row: ONNX Runtime takes a number without axes
        element by element where the last axis of the other operand has one."""
        return self.constant(np.full((1,) * self.rank, value, np.float32))

    def scalar(self, value: float) -> str:
        """Without axes."""
        return self.constant(np.array(value, np.float32))

    def ints(self, values: Sequence[int]) -> str:
        return self.constant(np.array(values, np.int64).reshape(len(values)))

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """A second reshape replaces the first."""
        if self.nodes and self.nodes[-1].op_type == "Reshape" and self.nodes[-1].output[0] == x:
            x = self.nodes[-1].input[0]
        if x in self.constants:
            return self.constant(self.constants[x].reshape(shape))
        return self.op("Reshape", x, self.ints(tuple(shape)))

    def transpose(self, x: str, *order: int) -> str:
        if order == tuple(range(len(order))):
            return x
        if x in self.constants:
            return self.constant(self.constants[x].transpose(order))
        return self.op("Transpose", x, perm=list(order))

    def flipped(self, x: str, *axes: int) -> str:
        """x with these axes read from their ends."""
        if x in self.constants:
            return self.constant(np.flip(self.constants[x], axes))
        ends = (-1,) * len(axes), (-(1 << 31),) * len(axes), axes, (-1,) * len(axes)
        return self.op("Slice", x, *map(self.ints, ends))

    def scaled(self, x: str, factor: float) -> str:
        """x times a number."""
        return x if factor == 1 else self.op("Mul", x, self.number(factor))

    def total(
        self, x: str, before: Sequence[int], after: Sequence[int], order: Order | None = None,
        kind: str = "ReduceSum",
    ) -> str:  # fmt: skip
        """The sum, or another reduction, over what broadcasting `after` to `before` repeats.

        order: in which x lies; the result lies in ours, and its axes are in the same sequence
        """
        missing = len(before) - len(after)
        padded = (1,) * missing + tuple(after)
        order = order or tuple(range(len(before)))
        axes = [k for k, a in enumerate(order) if before[a] != padded[a] or a < missing]
        if axes:
            x = self.op(kind, x, self.ints(axes), keepdims=int(not missing))
        made = tuple(after) if missing else reordered(after, order)
        return x if made == tuple(after) else self.reshape(x, after)


def shape(n: Node, position: int) -> tuple[int, ...]:
    """The shape of an input."""
    return n.inputs[position].type.shape


def reordered(shape: Sequence[int], order: Order) -> tuple[int, ...]:
    """The sizes of the axes in another order."""
    return tuple(shape[k] for k in order)


def keeps_sequence(shape: Sequence[int], order: Order) -> bool:
    """Whether an order moves only axes of size 1, so that a transposition is a reshape."""
    moved = [k for k in order if shape[k] != 1]
    return moved == sorted(moved) or prod(shape) == 1


def info(onnx: Any, name: str, n: Node, order: Order | None = None) -> Any:
    """The description of an input or output of a node's type."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(n.type.dtype))
    shape = reordered(n.type.shape, order) if order else n.type.shape
    return onnx.helper.make_tensor_value_info(name, kind, shape)
