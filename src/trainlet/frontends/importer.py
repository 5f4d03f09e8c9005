"""What the ATen table needs of an import in progress: constants, names, layout changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Graph, Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import build, leaf
from trainlet.ops.shape import inverse

TO_LAST = (0, 2, 3, 1)


@dataclass
class Importer:
    """Collects the values of leaves; `label` is the module path of the node being imported."""

    values: dict[str, np.ndarray] = field(default_factory=dict)
    label: str = ""

    def const(self, array: np.ndarray, name: str) -> Node:
        """A constant leaf; the name is made unique."""
        while name in self.values:
            name += "_"
        self.values[name] = np.asarray(array, np.float32)
        return leaf("const", name, TensorType(self.values[name].shape))

    def build(self, op: str, *inputs: Node, **attrs: object) -> Node:
        """A node labelled with the module being imported."""
        return build(op, *inputs, label=self.label, **attrs)

    def permute(self, x: Node, *permutation: int) -> Node:
        return self.build("permute", x, permutation=permutation)

    def reshape(self, x: Node, shape: Sequence[int]) -> Node:
        shape = tuple(shape)
        return x if shape == x.type.shape else self.build("reshape", x, shape=shape)

    def channels_last(self, op: str, x: Node, *weights: Node, **attrs: object) -> Node:
        """Apply an op of [N,H,W,C] maps to a map [N,C,H,W], or to a sequence [N,C,L] with H = 1."""
        if x.type.rank == 4:
            y = self.build(op, self.permute(x, *TO_LAST), *weights, **attrs)
            return self.permute(y, *inverse(TO_LAST))
        n, c, length = x.type.shape
        flat = self.reshape(self.permute(x, 0, 2, 1), (n, 1, length, c))
        y = self.build(op, flat, *weights, **attrs)
        return self.permute(self.reshape(y, (n, *y.type.shape[2:])), 0, 2, 1)

    def value(self, node: Node | None, what: str) -> np.ndarray:
        """The value of a leaf that must be known at compile time."""
        if node is None or node.name not in self.values:
            raise UnsupportedError(f"{what} must be a parameter or a buffer of the model")
        return self.values[node.name]

    def graph(self, outputs: Mapping[str, Node]) -> Graph:
        """The graph made so far."""
        return Graph(outputs, self.values)


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """PyTorch's int-or-list as (height, width)."""
    if isinstance(value, int):
        return value, value
    first, *rest = value
    return first, rest[0] if rest else first
