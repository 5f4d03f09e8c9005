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
from trainlet.frontends.onnx.file import Model, Operator, ints
from trainlet.frontends.onnx.stored import Stored
from trainlet.frontends.quantized_importer import QuantizedImporter
from trainlet.frontends.terms import Names
from trainlet.ir.graph import Node, unused
from trainlet.ir.printable import plain
from trainlet.ir.types import TensorType
from trainlet.ops.op import leaf
from trainlet.ops.quantized.types import affine

IGNORED = frozenset(("auto_pad", "consumed_inputs", "doc_string", "stash_type"))
"""Attributes that say nothing where a row does not read them."""
Value = TypeVar("Value", int, float, str)


class Builder(QuantizedImporter):
    """The inputs and attributes of the operator at hand.

    nodes: what is computed, by name; known: values that no input reaches; trained: names of those
    among them that a weight reaches; deferred: who makes these, if a node is asked for; held:
    values that stand in the file; stored: integers of the file, and integers: int8 nodes, by the
    name of what DequantizeLinear makes of them; drawn_below: what the whole numbers of an input
    are less than; exact: whether the operator at hand is one of integers
    """

    def __init__(self, model: Model, make: Callable[[Operator], None]) -> None:
        super().__init__()
        self.model = model
        self.nodes: dict[str, Node] = {}
        self.known: dict[str, np.ndarray] = dict(model.constants)
        self.held: dict[str, np.ndarray] = dict(model.constants)
        self.trained = {k for k, v in model.constants.items() if is_weight(v)}
        self.stored: dict[str, Stored] = {}
        self.dequantized: dict[str, Node] = {}
        self.drawn_below: dict[str, int] = {}
        self.exact = False
        self.deferred: dict[str, Operator] = {}
        self.unmade: dict[str, str] = {}
        self.readers: dict[str, list[Operator]] = {}
        for operator in model.operators:
            for name in operator.inputs:
                self.readers.setdefault(name, []).append(operator)
        self._make, self._parameters = make, {}
        self.biases: dict[str, str] = {}
        self.names = Names(biases=self.biases)
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
        return self.operator.input(position)

    def has(self, position: int) -> bool:
        """Whether an optional input is there."""
        return bool(self._name(position))

    def input(self, position: int) -> Node:
        """An input of floats, or of int8 for an operator of integers."""
        node, allowed = self.any(position), "int8" if self.exact else "float32"
        if node.type.dtype != allowed:
            raise UnsupportedError(
                f"its input {plain(self._name(position), 200)!r} is {node.type.dtype}; allowed: "
                f"{allowed}"
            )
        return node

    def optional(self, position: int) -> Node | None:
        return self.input(position) if self.has(position) else None

    def any(self, position: int) -> Node:
        """An input of floats or of indices."""
        if not self.has(position):
            raise FileError(f"its input {position} is missing")
        name = self._name(position)
        return (self._integer(name) if self.exact else None) or self.called(name)

    def _integer(self, name: str) -> Node | None:
        """The int8 node of a value, if it has one."""
        found = self.dequantized.get(name) or self.nodes.get(name)
        if found is not None and found.type.dtype == "int8":
            return found
        stored = self.stored.get(name)
        if stored is None or stored.activation is None:
            return None
        return self.integers("const", stored.name, stored.array, stored.activation)

    def all(self) -> list[Node]:
        return [self.input(k) for k in range(len(self.operator.inputs))]

    def weight(self, position: int) -> Node | None:
        """The same of a layer's weight or bias: one of a single element learns too."""
        name = self._name(position)
        if self.exact:
            return self._integer_weight(name, position) if name else None
        if name in self.held and name not in self.nodes:
            self.nodes[name] = self.leaf_of_weight(name, self.held[name])
        return self.optional(position)

    def _integer_weight(self, name: str, position: int) -> Node:
        """A leaf that stands for what an integer layer reads; a bias is in units of both scales."""
        stored = self.stored.get(name)
        if stored is None:
            raise UnsupportedError(
                f"its input {plain(name, 200)!r} is no constant that is quantised"
            )
        if position == 1:
            self.weights[stored.name] = stored.weight(self._output_axis(stored.array.ndim))
        else:
            weight = self.weights[self.stored[self._name(1)].name]
            units = affine(self.input(0))[0] * weight.scale.astype(float)
            self.offsets[stored.name] = stored.bias(units)
            self.biases[stored.name] = stored.name
        return leaf("param", stored.name, TensorType(stored.array.shape))

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

    def _output_axis(self, rank: int) -> int:
        """Of the weight of the layer at hand."""
        of = self.operator
        if of.kind == "ConvTranspose" and self.operator.attributes.get("group", 1) != 1:
            raise UnsupportedError("groups of a transposed convolution of integers; allowed: one")
        if of.kind in ("Gemm", "MatMul") and rank != 2:
            raise UnsupportedError(f"a weight of {rank} dimensions; allowed: two")
        last = of.kind == "MatMul" or (of.kind == "Gemm" and not of.attributes.get("transB", 0))
        return 1 if last or of.kind == "ConvTranspose" else 0

    def operand(self, position: int) -> Node | float:
        """An operand of arithmetic: a number where it is one that does not learn."""
        name = self._name(position)
        array = self.known.get(name)
        if self.exact or array is None or name in self.trained or array.size != 1:
            return self.input(position)
        others = [k for k in range(len(self.operator.inputs)) if k != position and self.has(k)]
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

    def type(self, name: str) -> TensorType | None:
        """The type of a value that has been computed."""
        found = self.nodes.get(name) or self.dequantized.get(name)
        return found and found.type

    def called(self, name: str) -> Node:
        """The node of a value: computed, a parameter or a constant."""
        if name in self.nodes:
            return self.nodes[name]
        if name in self.dequantized:
            return self.real(self.dequantized[name])
        shown = plain(name, 200)
        if name in self.deferred:
            before = self.operator, self.label, self.unread
            self._make(self.deferred[name])
            self.operator, self.label, self.unread = before
        elif name in self.trained:
            self.nodes[name] = self.leaf_of_weight(name, self.held[name])
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
        title = self.stored[name].name if name in self.stored else plain(name, 200)
        own = unused(title, self.values)
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
