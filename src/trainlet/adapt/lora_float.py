"""The nodes of LoRA in float32: beside a layer, or in a convolution's weight."""

from __future__ import annotations

from dataclasses import dataclass

from trainlet.adapt.layers import Layer
from trainlet.ir.graph import Node
from trainlet.ops.conv import POINT
from trainlet.ops.linear import LINEAR
from trainlet.ops.op import build


@dataclass(frozen=True)
class Adapter:
    """A layer's two leaves, and what their product is multiplied by."""

    layer: Layer
    a: Node
    b: Node
    factor: float

    def beside(self, x: Node, n: Node, norm: Node | None = None) -> Node:
        """What is added to the layer n of x, or to the batch norm behind it."""
        b = self._scaled(norm)
        if n.op == LINEAR.name:
            h = build(LINEAR.name, x, self.a, label=self.a.name)
            return build(LINEAR.name, h, b, label=self.b.name)
        rank, outputs = self.a.type.shape[0], b.type.shape[0]
        wide = build("reshape", self.a, shape=(rank, self.layer.shape[1], 1, self.layer.kernel[1]))
        wide = build("permute", wide, permutation=(0, 2, 3, 1), label=self.a.name)
        h = build(n.op, x, wide, label=self.a.name, **n.attrs)
        point = build("reshape", b, shape=(outputs, 1, 1, rank))
        return build(n.op, h, point, label=self.b.name, **POINT)

    def in_weight(self, n: Node) -> Node:
        """The convolution n with the adapter in its weight."""
        product = build("matmul", self._scaled(None), self.a, label=self.b.name)
        outputs, inputs = self.layer.shape[:2]
        wide = build("reshape", product, shape=(outputs, inputs, *self.layer.kernel))
        wide = build("permute", wide, permutation=(0, 2, 3, 1), label=self.b.name)
        x, weight, *bias = n.inputs
        adapted = build("add", weight, wide, label=self.b.name)
        return build(n.op, x, adapted, *bias, label=n.name, **n.attrs)

    def _scaled(self, norm: Node | None) -> Node:
        """B times what its product is multiplied by: of the two it has the fewer numbers."""
        b = self.b
        if self.factor != 1:
            b = build("scale", b, factor=self.factor, label=b.name)
        if norm is None:
            return b
        _, gamma, _, reciprocal, _ = norm.inputs
        slope = build("mul", gamma, reciprocal, label=norm.name)
        return build("mul", b, build("reshape", slope, shape=(slope.type.size, 1)), label=b.name)
