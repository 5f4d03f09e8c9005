"""Models for every batch size, found by comparing those of two sizes.

The graph of a step has fixed shapes.  Two models of the same step that were made for 2 and for 3
examples differ only in numbers: sizes that are a multiple of the batch, and factors that are a
share of it.  Each such number becomes a formula of the batch that is fed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.backends.onnx.emitter import Emitter
from trainlet.backends.onnx.model import STATE, checked
from trainlet.errors import UnsupportedError

SIZES = 2, 3
INT64, FLOAT = 7, 1


def any_batch(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """A model for each stage, of those for SIZES examples; raises UnsupportedError."""
    return {name: _Both(model, second[name]).model() for name, model in first.items()}


class _Both:
    """The model that is `first` for SIZES[0] examples, and `second` for SIZES[1].

    Raises UnsupportedError where they differ in more than numbers.
    """

    def __init__(self, first: Any, second: Any) -> None:
        self.at, self.name = Emitter(_names(first.graph)), first.graph.name
        self.own, self.other = (_constants(self.at.onnx, m.graph) for m in (first, second))
        self.found: dict[tuple[str, str], str] = {}
        ends = [list(m.graph.input) + list(m.graph.output) for m in (first, second)]
        made, count = [self._end(a, b) for a, b in zip(*ends, strict=True)], len(first.graph.input)
        self.inputs, self.outputs = made[:count], made[count:]
        kinds = [[n.op_type for n in m.graph.node] for m in (first, second)]
        if kinds[0] != kinds[1]:
            raise self._refused("the steps", "their operators")
        pairs = list(zip(first.graph.node, second.graph.node, strict=True))
        self.batch = self._size() if any(self._fed(i) for i in self.inputs) else ""
        nodes = [self._node(a, b) for a, b in pairs]
        self.at.nodes += nodes

    def model(self) -> Any:
        """As onnx accepts it."""
        return checked(self.at, self.name, self.inputs, self.outputs)

    def _fed(self, i: Any) -> bool:
        return not i.name.startswith(STATE) and bool(_symbols(i))

    def _size(self) -> str:
        """The batch, int64[1]: the first size of an input of which it is the first."""
        fed = next(i for i in self.inputs if self._fed(i) and _symbols(i)[0] == (0, "batch"))
        return self.at.op("Shape", fed.name, start=0, end=1)

    def _end(self, a: Any, b: Any) -> Any:
        """An input or output, with names for the sizes that are multiples of the batch."""
        made = type(a)()
        made.CopyFrom(a)
        dims = [m.type.tensor_type.shape.dim for m in (made, b)]
        for own, other in zip(*dims, strict=True):
            if own.dim_value != other.dim_value:
                many = self._multiple(own.dim_value, other.dim_value, a.name)
                own.dim_param = "batch" if many == 1 else f"{many}*batch"
        return made

    def _node(self, a: Any, b: Any) -> Any:
        made = type(a)()
        plain, bodies = (
            [[k for k in n.attribute if k.HasField("g") == inner] for n in (a, b)]
            for inner in (False, True)
        )
        if plain[0] != plain[1] or len(a.input) != len(b.input):
            raise self._refused(a.op_type, "attributes")
        made.CopyFrom(a)
        for k, names in enumerate(zip(a.input, b.input, strict=True)):
            made.input[k] = self._operand(a.op_type, *names)
        own = [k for k in made.attribute if k.HasField("g")]
        for inner, other in zip(own, bodies[1], strict=True):
            self._body(inner.g, other.g)
        return made

    def _body(self, a: Any, b: Any) -> None:
        """Give the operators of a body the operands that they have in this model."""
        if [n.op_type for n in a.node] != [n.op_type for n in b.node]:
            raise self._refused(a.name, "operators")
        nodes = [self._node(own, other) for own, other in zip(a.node, b.node, strict=True)]
        del a.node[:]
        a.node.extend(nodes)

    def _operand(self, kind: str, a: str, b: str) -> str:
        if a not in self.own:
            if a != b:
                raise self._refused(kind, "inputs")
            return a
        if (a, b) not in self.found:
            self.found[a, b] = self._number(kind, self.own[a], self.other[b])
        return self.found[a, b]

    def _number(self, kind: str, a: np.ndarray, b: np.ndarray) -> str:
        """A constant, or a formula of the batch."""
        at, (small, large) = self.at, SIZES
        if a.shape != b.shape or a.dtype != b.dtype:
            raise self._refused(kind, f"constants {a.shape} and {b.shape}")
        if np.array_equal(a, b):
            return at.constant(a)
        if a.dtype == np.int64:
            changed = a != b
            many = np.where(changed, b - a, 0)
            if (many * small != np.where(changed, a, 0)).any():
                raise self._refused(kind, f"sizes {a.tolist()} and {b.tolist()}")
            if kind == "Reshape" and changed.sum() == 1 and (a >= 0).all():
                return at.constant(np.where(changed, -1, a))
            sizes = at.op("Mul", self.batch, at.constant(many))
            return at.op("Add", sizes, at.constant(np.where(changed, 0, a)))
        if a.dtype == np.float32 and np.allclose(a * small, b * large, rtol=1e-6, atol=0):
            count = at.op("Cast", self.batch, to=FLOAT)
            share = at.op("Reshape", count, at.ints(())) if not a.ndim else count
            return at.op("Div", at.constant((a.astype(np.float64) * small).astype(a.dtype)), share)
        raise self._refused(kind, "constants")

    def _multiple(self, a: int, b: int, name: str) -> int:
        many = b - a
        if many * SIZES[0] != a:
            raise self._refused(name, f"sizes {a} and {b}")
        return many

    def _refused(self, what: str, how: str) -> UnsupportedError:
        return UnsupportedError(
            f"{self.name!r} cannot be written for any batch: {what} of {SIZES[0]} and of "
            f"{SIZES[1]} examples differ in {how}; write it for one batch size"
        )


def _names(graph: Any) -> int:
    """How many values operators make and bodies are given; the numbers in names are no larger."""
    bodies = [k.g for n in graph.node for k in n.attribute if k.HasField("g")]
    own = sum(len(n.output) for n in graph.node)
    return own + sum(len(body.input) + _names(body) for body in bodies)


def _constants(onnx: Any, graph: Any) -> dict[str, np.ndarray]:
    return {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}


def _symbols(end: Any) -> list[tuple[int, str]]:
    """Which sizes of an input or output follow the batch, and how."""
    dims = end.type.tensor_type.shape.dim
    return [(k, d.dim_param) for k, d in enumerate(dims) if d.dim_param]
