"""What the table of operators needs of an import in progress: inputs as nodes or as known values,
attributes, and the rows of ATen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch

from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends.aten import ATEN
from trainlet.frontends.constants import Constant
from trainlet.frontends.importer import Importer
from trainlet.frontends.onnx.file import Model, Operator, ints
from trainlet.ir.graph import Node, unused
from trainlet.ir.printable import plain
from trainlet.ir.types import TensorType
from trainlet.ops.op import leaf

IGNORED = frozenset(("auto_pad", "consumed_inputs", "doc_string", "stash_type"))
"""Attributes that say nothing where a row does not read them."""
Value = TypeVar("Value", int, float, str)


class Builder(Importer):
    """The inputs and attributes of the operator at hand.

    nodes: what is computed, by name; known: values that no input reaches; trained: names of those
    among them that a weight reaches; deferred: who makes these, if a node is asked for
    """

    def __init__(self, model: Model, make: Callable[[Operator], None]) -> None:
        super().__init__()
        self.model = model
        self.nodes: dict[str, Node] = {}
        self.known: dict[str, np.ndarray] = dict(model.constants)
        self.trained = {k for k, v in model.constants.items() if is_weight(v)}
        self.deferred: dict[str, Operator] = {}
        self.unmade: dict[str, str] = {}
        self.readers: dict[str, int] = {}
        for name in (n for o in model.operators for n in o.inputs):
            self.readers[name] = self.readers.get(name, 0) + 1
        self._make, self._parameters = make, {}
        self.operator = model.operators[0]
        self.unread: set[str] = set()

    def enter(self, operator: Operator) -> None:
        """The operator whose inputs and attributes follow."""
        self.operator, self.label = operator, operator.name
        # of opset 6, where operands broadcast as they do now if no axis is given
        old = {"broadcast"} if self.model.opset == 6 else set()
        self.unread = set(operator.attributes) - IGNORED - old

    def aten(self, name: str, *args: Any) -> Any:
        """What the row of one of ATen's operators makes."""
        return ATEN[name](self, *args)

    def _name(self, position: int) -> str:
        inputs = self.operator.inputs
        return inputs[position] if position < len(inputs) else ""

    def has(self, position: int) -> bool:
        """Whether an optional input is there."""
        return bool(self._name(position))

    def input(self, position: int) -> Node:
        """An input of floats."""
        node = self.any(position)
        if node.type.dtype != "float32":
            raise UnsupportedError(
                f"its input {plain(self._name(position), 200)!r} is {node.type.dtype}; allowed: "
                "float32"
            )
        return node

    def optional(self, position: int) -> Node | None:
        return self.input(position) if self.has(position) else None

    def any(self, position: int) -> Node:
        """An input of floats or of indices."""
        if not self.has(position):
            raise FileError(f"its input {position} is missing")
        return self.node(self._name(position))

    def all(self) -> list[Node]:
        return [self.input(k) for k in range(len(self.operator.inputs))]

    def weight(self, position: int) -> Node | None:
        """The same of a layer's weight or bias: one of a single element learns too."""
        name = self._name(position)
        if name and name in self.model.constants and name not in self.nodes:
            self.nodes[name] = self.leaf_of_weight(name, self.model.constants[name])
        return self.optional(position)

    def constant(self, position: int, what: str) -> np.ndarray:
        """The value of an input that no input of the network reaches."""
        name = self._name(position)
        if not name:
            raise FileError(f"its {what} is missing")
        if name not in self.known:
            raise UnsupportedError(
                f"its {what}, {plain(name, 200)!r}, is computed from an input; allowed: a constant"
            )
        return self.known[name]

    def is_known(self, position: int) -> bool:
        return self._name(position) in self.known

    def ints(self, position: int, what: str) -> list[int]:
        return ints(self.constant(position, what), what)

    def known_index(self, array: np.ndarray) -> Node:
        """A constant of whole numbers, as the rows of ATen read it."""
        name = unused(f"{self.label}.index", self.values)
        return self.leaf_of(Constant(name, torch.from_numpy(np.asarray(array, np.int64).copy())))

    def index_shape(self, position: int) -> tuple[int, ...]:
        """The shape of an input that may be known."""
        name = self._name(position)
        return self.known[name].shape if name in self.known else self.any(position).type.shape

    def number(self, position: int, what: str) -> float:
        """An input of one element."""
        array = self.constant(position, what)
        if array.size != 1:
            raise UnsupportedError(f"its {what} has shape {array.shape}; allowed: one number")
        return float(array.reshape(())[()])

    def operand(self, position: int) -> Node | float:
        """An operand of arithmetic: a number where it is one that does not learn."""
        name = self._name(position)
        array = self.known.get(name)
        if array is None or name in self.trained or array.size != 1:
            return self.input(position)
        others = [k for k in range(len(self.operator.inputs)) if k != position]
        if array.ndim and all(self.known.get(self._name(k)) is not None for k in others):
            return self.input(position)
        if array.ndim > min((self.any(k).type.rank for k in others), default=0):
            return self.input(position)
        return float(array.reshape(())[()])

    def attribute(self, name: str, default: Value) -> Value:
        """An attribute of the operator at hand; raises FileError for one of another kind."""
        self.unread.discard(name)
        value: Any = self.operator.attributes.get(name, default)
        kind = type(default)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise FileError(f"its {name} is {plain(repr(value), 60)}; allowed: {kind.__name__}")
        return value

    def numbers(self, name: str, default: list[int] | None = None) -> list[int] | None:
        """An attribute that is a list of whole numbers."""
        self.unread.discard(name)
        value = self.operator.attributes.get(name)
        if value is None:
            return default
        return ints(value, name)

    def given(self, name: str, position: int) -> list[int] | None:
        """Whole numbers that are an attribute in older versions, and an input in newer ones."""
        if self.has(position):
            return self.ints(position, name)
        return self.numbers(name)

    def node(self, name: str) -> Node:
        """The node of a value: computed, a parameter or a constant."""
        if name in self.nodes:
            return self.nodes[name]
        shown = plain(name, 200)
        if name in self.deferred:
            before = self.operator, self.label, self.unread
            self._make(self.deferred[name])
            self.operator, self.label, self.unread = before
        elif name in self.trained:
            self.nodes[name] = self.leaf_of_weight(name, self.model.constants[name])
        elif name in self.known:
            tensor = torch.from_numpy(np.array(self.known[name]))
            made = self.leaf_of(Constant(unused(shown or "const", self.values), tensor),
                                self.operator.kind.lower())  # fmt: skip
            if made is None:
                raise UnsupportedError(f"{shown!r} has no elements")
            self.nodes[name] = made
        elif name in self.unmade:
            raise UnsupportedError(f"{shown!r} is {self.unmade[name]}, which is not supported")
        else:
            raise FileError(f"{shown!r} is read before an operator made it")
        return self.nodes[name]

    def leaf_of_weight(self, name: str, array: np.ndarray) -> Node:
        """The leaf of a parameter, under its name."""
        if array.dtype != np.float32:
            raise UnsupportedError(
                f"the weight {plain(name, 200)!r} is {array.dtype}; allowed: float32"
            )
        if not array.size:
            raise UnsupportedError(f"the weight {plain(name, 200)!r} has no elements")
        own = unused(plain(name, 200), self.values)
        parameter = torch.nn.Parameter(torch.from_numpy(array))
        return self.parameter([own], parameter)

    def shared(self, name: str, array: np.ndarray) -> Node:
        """A parameter that is part of a file's, in an order of our own; the same leaf for each
        reader."""
        if name not in self._parameters:
            self._parameters[name] = self.leaf_of_weight(name, array)
        return self._parameters[name]

    def entered(self, name: str, type: TensorType, position: int, below: int) -> None:
        """An input of the network."""
        attrs: dict[str, Any] = {"position": position} if len(self.model.inputs) > 1 else {}
        if below:
            attrs["below"] = below
        self.nodes[name] = leaf("input", unused(plain(name, 200), self.values), type, **attrs)


def is_weight(array: np.ndarray) -> bool:
    """Whether a constant of the file learns where arithmetic reads it: a number does not."""
    return array.dtype == np.float32 and array.ndim > 0 and array.size > 0
